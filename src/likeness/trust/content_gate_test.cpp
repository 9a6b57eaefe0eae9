// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/content_gate.h"

#include <cmath>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "likeness/base/rng.h"
#include "likeness/media/video.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;

fs::path models() {
  const char* named = std::getenv("LIKENESS_MODELS");
  return named && *named ? fs::path(named) : fs::path(LIKENESS_SOURCE_DIR) / ".cache/models";
}
#define NEEDS_NET()                                      \
  if (!fs::exists(models() / "nsfwjs_mobilenet_v2.bin")) \
  GTEST_SKIP() << "the content gate's network is not installed: run scripts/install-models"

TEST(ContentGate, OneFrameIsNoVideoButIsAPicture) {
  auto judge = [](std::vector<float> s) {
    std::vector<double> t;
    for (size_t i = 0; i < s.size(); ++i) t.push_back(static_cast<double>(i));
    return judge_content(s, t);
  };
  EXPECT_FALSE(judge({}).refused);
  EXPECT_TRUE(judge({0.9f}).refused);
  EXPECT_FALSE(judge({0.6f}).refused);
  std::vector<float> clip(30, 0.05f);
  EXPECT_FALSE(judge(clip).refused);
  clip[7] = 0.95f;
  EXPECT_FALSE(judge(clip).refused) << "one frame of thirty";
  EXPECT_EQ(judge(clip).worst_time_s, 7);
  clip[8] = clip[9] = 0.95f;
  EXPECT_TRUE(judge(clip).refused) << "three in a row";
  std::vector<float> scattered(30, 0.05f);
  for (size_t i = 0; i < 30; i += 7) scattered[i] = 0.9f;
  EXPECT_TRUE(judge(scattered).refused) << "five of thirty";
}

/// The input of the reference run below.
std::vector<float> pattern() {
  std::vector<float> v(224 * 224 * 3);
  for (int y = 0; y < 224; ++y)
    for (int x = 0; x < 224; ++x)
      for (int c = 0; c < 3; ++c)
        v[static_cast<size_t>((y * 224 + x) * 3 + c)] =
            static_cast<float>((x * 7 + y * 13 + c * 31 + (x * y) % 17 * 5) % 256) / 255.f;
  return v;
}

TEST(ContentGate, TheNetworkComputesWhatTensorFlowJsDoes) {
  NEEDS_NET();
  const ContentNet net(models());
  // tfjs 4.22 (cpu), model of nsfwjs 4.3.0, this input: docs/adr/0011-content-gate.md.
  const std::array<float, 5> kReference = {0.0581909567f, 0.000976760639f, 0.939985037f,
                                           0.000725288002f, 0.00012189625f};
  auto v = net.logits(pattern());
  float sum = 0;
  for (float& x : v) sum += x = std::exp(x);
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(v[i] / sum, kReference[i], 1e-4f) << i;
}

TEST(ContentGate, MissingOrDamagedNetworkIsAnError) {
  NEEDS_NET();
  const fs::path folder = fs::temp_directory_path() / "likeness-content-gate-test";
  fs::remove_all(folder);
  fs::create_directories(folder);
  EXPECT_THROW(ContentNet{folder}, std::exception);
  for (const char* name : {"nsfwjs_mobilenet_v2.bin", "nsfwjs_mobilenet_v2-weights_manifest.json"})
    fs::copy_file(models() / name, folder / name);
  fs::resize_file(folder / "nsfwjs_mobilenet_v2.bin", 100'000);
  EXPECT_THROW(ContentNet{folder}, std::exception);
  fs::remove_all(folder);
}

TEST(ContentGate, RealCleanFootageIsNotRefused) {
  NEEDS_NET();
  const fs::path shared = LIKENESS_SHARED_DIR;
  if (!fs::exists(shared / "data")) GTEST_SKIP() << shared << " is not there";
  const ContentNet net(models());
  Progress progress;
  Cancel cancel;
  // A part of what docs/guide/consent.md reports on: one file of each kind.
  for (const char* file :
       {"performers/ava-train.mp4", "performers/hard.mp4", "data/derived/hard_cases_dev.mp4",
        "data/public-domain/nasa_astronaut_collins.png",
        "data/public-domain/painting_girl_pearl_earring.jpg", "data/generated/art_14.png"}) {
    if (!fs::exists(shared / file)) continue;
    const auto v = check_content(shared / file, net, progress, cancel);
    EXPECT_FALSE(v.refused) << file << " worst " << v.worst;
    EXPECT_GE(v.sampled, 1);
    const auto info = media::probe(shared / file);
    if (!info.is_still) {
      EXPECT_GE(static_cast<double>(v.sampled), info.duration_s) << file;
    }
  }
}

}  // namespace
}  // namespace likeness::trust
