// SPDX-License-Identifier: Apache-2.0
// The performers have exact truth: what the numbers must be is known.
#include "likeness/evaluate/evaluate.h"

#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/evaluate/lockstep.h"
#include "likeness/evaluate/metrics.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {
namespace {

namespace fs = std::filesystem;
const fs::path kPerformers = fs::path(LIKENESS_SHARED_DIR) / "performers";
constexpr int kFrames = 16;

class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() / ("likeness-evaluate-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Some frames of a clip, changed by `change`, without loss.
template <typename F>
fs::path cut(const fs::path& from, const fs::path& to, int start, int count, F change) {
  media::VideoReader reader(from);
  media::WriterOptions options;
  options.codec = "ffv1";
  media::VideoWriter writer(to, reader.info(), options);
  if (start) reader.seek(start);
  for (int i = 0; i < count; ++i) {
    const auto frame = reader.next();
    if (!frame) break;
    Image8 image = frame->rgb8();
    change(image, i);
    writer.write(media::Frame::from_rgb8(image, i, reader.info().frame_rate));
  }
  writer.finish();
  return to;
}
fs::path cut(const fs::path& from, const fs::path& to, int start = 0, int count = kFrames) {
  return cut(from, to, start, count, [](Image8&, int) {});
}

bool have_performers() { return fs::exists(kPerformers / "ava-to-ben-take.mp4"); }
bool have_models() { return fs::exists(face::models_folder() / "face_recognition.bin"); }

#define NEED_PERFORMERS() \
  if (!have_performers()) GTEST_SKIP() << "shared/performers is not here"
#define NEED_MODELS() \
  NEED_PERFORMERS();  \
  if (!have_models()) GTEST_SKIP() << "the face models are not installed"

const face::FaceNets& nets() {
  static const face::FaceNets n;
  return n;
}

face::Embedding embedding_of(const std::string& clip) {
  media::VideoReader reader(kPerformers / clip);
  face::Embedding mean{};
  int count = 0;
  for (int i = 0; i < 120; ++i) {
    const auto frame = reader.next();
    if (!frame) break;
    if (i % 40) continue;
    const Image8 image = frame->rgb8();
    const auto faces = nets().detect(image);
    if (faces.empty()) continue;
    const face::Face f = nets().mesh(image, face::FaceNets::crop_of(faces[0]));
    const face::Embedding e = nets().embed(image, f.points);
    for (int k = 0; k < face::kEmbeddingSize; ++k) mean[k] += e[k];
    ++count;
  }
  for (float& v : mean) v /= static_cast<float>(std::max(count, 1));
  return mean;
}

struct Scene {
  Folder folder;
  fs::path take, toned, mask;
  face::Embedding ava, ben;
  Scene()
      : take(cut(kPerformers / "ava-to-ben-take.mp4", folder.path() / "take.mkv")),
        toned(cut(kPerformers / "ava-to-ben-truth-toned.mp4", folder.path() / "toned.mkv")),
        mask(cut(kPerformers / "ava-to-ben-mask.mp4", folder.path() / "mask.mkv")),
        ava(embedding_of("ava-train.mp4")),
        ben(embedding_of("ben-train.mp4")) {}
  Evaluation score(const fs::path& result, bool truth = true, bool with_mask = true) const {
    Progress progress;
    return evaluate({result, take, truth ? toned : fs::path(), with_mask ? mask : fs::path()}, ben,
                    ava, nets(), progress, Cancel());
  }
};
const Scene& scene() {
  static const Scene s;
  return s;
}

TEST(Evaluate, TheUntouchedTakeHasTheKnownPsnr) {
  NEED_PERFORMERS();
  Lockstep videos({kPerformers / "ava-to-ben-truth-toned.mp4", kPerformers / "ava-to-ben-take.mp4",
                   "", kPerformers / "ava-to-ben-mask.mp4"});
  EXPECT_EQ(videos.frames(), 200);
  double sum = 0;
  int count = 0;
  for (auto sets = videos.next(8); !sets.empty(); sets = videos.next(8))
    for (const FrameSet& s : sets) {
      ImageF mask(s.mask.width, s.mask.height, 1);
      for (size_t i = 0; i < mask.data.size(); ++i) mask.data[i] = s.mask.data[i * 3] / 255.0f;
      sum += psnr_of_mse(masked_mse(s.target, s.result, mask));
      ++count;
    }
  EXPECT_EQ(count, 200);
  EXPECT_NEAR(sum / count, 18.2, 0.15);
}

TEST(Evaluate, ThePerfectSwap) {
  NEED_MODELS();
  const Evaluation e = scene().score(scene().toned);
  EXPECT_EQ(e.frames, kFrames);
  EXPECT_EQ(e.frames_swapped, kFrames);
  EXPECT_EQ(e.frames_passed, 0);
  EXPECT_EQ(e.faces_missed_result, 0);
  EXPECT_EQ(e.psnr_truth, kPsnrCap);
  EXPECT_NEAR(e.ssim_truth, 1, 1e-5);
  EXPECT_EQ(e.landmark_error_pct, 0);
  EXPECT_LT(e.pose_error_deg, 0.05);
  EXPECT_EQ(e.jitter_px, 0);
  EXPECT_EQ(e.flicker_truth, 0);
  EXPECT_EQ(e.closer_to_identity_pct, 100);
  EXPECT_LT(e.distance_to_identity, e.distance_to_performer);
  EXPECT_GT(e.ssim_outside, 0.97);
  EXPECT_NEAR(e.psnr_untouched, 18.2, 1.0);
}

TEST(Evaluate, TheUntouchedTake) {
  NEED_MODELS();
  const Evaluation e = scene().score(scene().take);
  EXPECT_EQ(e.frames_swapped, 0);
  EXPECT_EQ(e.frames_passed, kFrames);
  EXPECT_EQ(e.frames_scored, kFrames) << "a swap that was not made must count";
  EXPECT_NEAR(e.psnr_truth, e.psnr_untouched, 1e-9);
  EXPECT_NEAR(e.ssim_outside, 1, 1e-6);
  EXPECT_EQ(e.closer_to_identity_pct, 0);
  EXPECT_EQ(e.flicker, 0);
  EXPECT_GT(e.landmark_error_pct, 0);
  // Without truth or mask: against the target itself, over the hull of the face.
  const Evaluation alone = scene().score(scene().take, false, false);
  EXPECT_TRUE(std::isnan(alone.psnr_truth));
  EXPECT_EQ(alone.landmark_error_pct, 0);
  EXPECT_EQ(alone.jitter_px, 0);
  EXPECT_TRUE(alone.to_json()["psnr_truth"].is_null());
  EXPECT_EQ(alone.frames_swapped, 0);
}

TEST(Evaluate, FlickerIsMeasuredInLevels) {
  NEED_MODELS();
  const fs::path blinking =
      cut(scene().toned, scene().folder.path() / "blinking.mkv", 0, kFrames, [](Image8& i, int k) {
        for (auto& v : i.data)
          v = static_cast<uint8_t>(std::clamp<int>(v + (k % 2 ? 3 : -3), 0, 255));
      });
  const Evaluation e = scene().score(blinking);
  EXPECT_NEAR(e.flicker_truth, 6, 0.4);
  EXPECT_LT(e.psnr_truth, 40);
  EXPECT_LT(e.ssim_outside, 1);
}

TEST(Evaluate, JsonHasThePromisedKeys) {
  NEED_MODELS();
  const auto json = scene().score(scene().toned).to_json();
  for (const char* key :
       {"frames", "frames_swapped", "frames_passed", "distance_to_identity",
        "distance_to_performer", "closer_to_identity_pct", "landmark_error_pct", "pose_error_deg",
        "ssim_truth", "psnr_truth", "ssim_outside", "jitter_px", "flicker"}) {
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_TRUE(json[key].is_number()) << key;
  }
  EXPECT_EQ(json["per_frame"]["psnr_truth"].size(), static_cast<size_t>(kFrames));
  EXPECT_LE(json["worst_frames"].size(), 5u);
}

TEST(Evaluate, FramesWithoutAFaceAreCountedNotScored) {
  NEED_MODELS();
  const fs::path empty = cut(kPerformers / "hard.mp4", scene().folder.path() / "empty.mkv", 125, 8);
  Progress progress;
  const Evaluation e =
      evaluate({empty, empty, "", ""}, scene().ben, scene().ava, nets(), progress, Cancel());
  EXPECT_EQ(e.frames, 8);
  EXPECT_EQ(e.faces_missed_target, 8);
  EXPECT_EQ(e.frames_scored, 0);
  EXPECT_TRUE(std::isnan(e.distance_to_identity));
  EXPECT_NEAR(e.ssim_outside, 1, 1e-6);
  EXPECT_TRUE(e.to_json()["closer_to_identity_pct"].is_null());
}

TEST(Evaluate, FilesThatDoNotFitAreRefused) {
  NEED_PERFORMERS();
  Folder folder;
  const fs::path take = kPerformers / "ava-to-ben-take.mp4";
  const fs::path few = cut(take, folder.path() / "few.mkv", 0, 5);
  auto code = [](const Inputs& inputs) {
    try {
      Lockstep videos(inputs);
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code({few, take, "", ""}), ErrorCode::kBadInput);
  EXPECT_EQ(code({take, take, few, ""}), ErrorCode::kBadInput);
  EXPECT_EQ(code({take, folder.path() / "none.mp4", "", ""}), ErrorCode::kNotFound);
}

TEST(Evaluate, CanBeCancelled) {
  NEED_MODELS();
  Progress progress;
  Cancel cancel;
  cancel.request();
  EXPECT_THROW(evaluate({scene().toned, scene().take, "", ""}, scene().ben, scene().ava, nets(),
                        progress, cancel),
               Error);
}

}  // namespace
}  // namespace likeness::evaluate
