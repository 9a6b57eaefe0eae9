// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/label.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "likeness/base/error.h"

namespace likeness::trust {
namespace {

const char* kLabels[] = {"eu", "us-ca", "cn", "kr-in"};

media::Frame grey_frame(int width, int height) {
  return media::Frame::from_rgb8(Image8(width, height, 3, 128), 0, {25, 1});
}

TEST(Label, ChangesOnlyItsRegionAndCanBeReadThere) {
  for (const char* name : kLabels)
    for (auto [w, h] : {std::pair{1280, 720}, {384, 384}, {360, 640}, {96, 64}}) {
      const VisibleLabel label(name, w, h);
      const Rect r = label.region();
      ASSERT_FALSE(r.empty()) << name;
      ASSERT_TRUE(r.x0 >= 0 && r.y0 >= 0 && r.x1 <= w && r.y1 <= h) << name << w;
      media::Frame frame = grey_frame(w, h);
      const Image8 before = frame.rgb8();
      label.draw(frame);
      const Image8 after = frame.rgb8();
      int dark = 0, bright = 0;
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x) {
          const int v = after.at(x, y, 1);
          // One pixel of chroma siting around it.
          if (x < r.x0 - 1 || x > r.x1 || y < r.y0 - 1 || y > r.y1)
            ASSERT_EQ(v, before.at(x, y, 1)) << name << ' ' << x << ' ' << y;
          dark += v < 90;
          bright += v > 200;
        }
      const int area = r.width() * r.height();
      EXPECT_GT(dark, area / 3) << name << w;
      EXPECT_GT(bright, area / 20) << name << w;
    }
}

TEST(Label, LettersAreFivePercentOfTheShorterSide) {
  for (const char* name : kLabels) {
    const VisibleLabel label(name, 1920, 1080);
    media::Frame frame = grey_frame(1920, 1080);
    label.draw(frame);
    const Image8 after = frame.rgb8();
    int first = -1, last = -1;
    for (int y = 0; y < 1080; ++y)
      for (int x = label.region().x0; x < label.region().x1; ++x)
        if (after.at(x, y, 0) > 220) {
          if (first < 0) first = y;
          last = y;
        }
    EXPECT_GE(last - first + 1, 52) << name;  // 5 % of 1080 is 54; the outermost rows are soft
  }
}

TEST(Label, ShowsAsLongAsThePresetSays) {
  const VisibleLabel eu("eu", 640, 360), cn("cn", 640, 360), none("none", 640, 360);
  EXPECT_TRUE(eu.shows(0) && eu.shows(3600));
  EXPECT_TRUE(cn.shows(0) && cn.shows(2));
  EXPECT_FALSE(cn.shows(10));
  EXPECT_FALSE(none.shows(0));
  media::Frame frame = grey_frame(64, 64);
  const auto before = frame.rgb8();
  none.draw(frame);
  EXPECT_EQ(frame.rgb8().data, before.data);
  EXPECT_THROW(VisibleLabel("mars", 64, 64), Error);
}

TEST(Label, TagsNameTheContentInChina) {
  EXPECT_TRUE(label_tags("eu", 5).empty());
  const auto tags = label_tags("cn", 0x1234);
  const auto aigc = nlohmann::json::parse(tags.at("AIGC"));
  EXPECT_EQ(aigc["Label"], "1");
  EXPECT_EQ(aigc["ProduceID"], "0000000000001234");
}

TEST(Label, TheCueComesBeforeTheSoundAndLeavesItAlone) {
  AudioClip clip{24000, 2, {}};
  for (int i = 0; i < 24000; ++i) {
    clip.samples.push_back(0.2f * std::sin(0.05f * static_cast<float>(i)));
    clip.samples.push_back(0.1f);
  }
  AudioClip labelled = clip;
  EXPECT_EQ(add_audible_label(labelled, "none"), 0);
  const double seconds = add_audible_label(labelled, "cn");
  EXPECT_GT(seconds, 0.8);
  EXPECT_LT(seconds, 2);
  const auto extra = labelled.samples.size() - clip.samples.size();
  EXPECT_EQ(extra, static_cast<size_t>(std::lround(seconds * 24000)) * 2);
  EXPECT_TRUE(std::equal(clip.samples.begin(), clip.samples.end(),
                         labelled.samples.begin() + static_cast<long>(extra)));
  // short, long, short, short
  std::vector<double> tones;
  double run = 0;
  size_t quiet = 0;
  for (size_t i = 0; i < extra; i += 2) {
    if (std::fabs(labelled.samples[i]) > 0.01f) {
      if (run == 0) quiet = 0;  // the pause before the tone
      run += 1.0 / 24000 * static_cast<double>(1 + quiet);
      quiet = 0;
    } else if (++quiet > 240 && run > 0) {
      tones.push_back(run);
      run = 0;
    }
  }
  ASSERT_EQ(tones.size(), 4u);
  EXPECT_GT(tones[1], 2 * tones[0]);
  EXPECT_NEAR(tones[0], tones[2], 0.02);
  EXPECT_NEAR(tones[0], tones[3], 0.02);
}

TEST(Label, TheNoticeIsSpoken) {
  for (const int rate : {16000, 24000, 48000})
    for (const char* preset : {"eu", "us-ca", "kr-in"}) {
      AudioClip clip{rate, 1, {}};
      for (int i = 0; i < rate; ++i)
        clip.samples.push_back(0.2f *
                               std::sin(800.0f * static_cast<float>(i) / static_cast<float>(rate)));
      AudioClip labelled = clip;
      const double seconds = add_audible_label(labelled, preset);
      EXPECT_GT(seconds, 1.5) << preset;
      EXPECT_LT(seconds, 3.5) << preset;
      const auto extra = labelled.samples.size() - clip.samples.size();
      EXPECT_TRUE(std::equal(clip.samples.begin(), clip.samples.end(),
                             labelled.samples.begin() + static_cast<long>(extra)));
      // As loud as the sound, quiet before it, and no tone: speech changes its loudness all the
      // time.
      double energy = 0;
      std::vector<double> parts(40);
      for (size_t i = 0; i < extra; ++i) {
        const double v = labelled.samples[i];
        energy += v * v;
        parts[i * parts.size() / extra] += v * v;
        EXPECT_LT(std::fabs(v), 1.0);
      }
      const double rms = std::sqrt(energy / static_cast<double>(extra));
      EXPECT_GT(rms, 0.03) << rate;
      EXPECT_LT(rms, 0.3) << rate;
      EXPECT_LT(parts.back(), 1e-6);
      std::sort(parts.begin(), parts.end());
      EXPECT_GT(parts[35], 30 * parts[10]) << rate;
    }
}

}  // namespace
}  // namespace likeness::trust
