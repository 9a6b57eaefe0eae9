// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/audio_file.h"

#include <cmath>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::media {
namespace {
namespace fs = std::filesystem;

class AudioFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("audio-file-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  static AudioClip noise(int rate, int channels, size_t frames) {
    AudioClip c{rate, channels, std::vector<float>(frames * static_cast<size_t>(channels))};
    Rng rng(1, rate, "noise");
    for (float& v : c.samples) v = 0.2f * rng.normal();
    return c;
  }
  ErrorCode code(const fs::path& path) const {
    try {
      read_audio(path);
      return ErrorCode::kInternal;
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.code();
    }
  }
  fs::path folder_;
};

TEST_F(AudioFile, WavComesBackAsItWas) {
  for (const int rate : {8000, 24000, 48000})
    for (const int channels : {1, 2}) {
      const AudioClip c = noise(rate, channels, 12345);
      write_wav(folder_ / "a.wav", c);
      const AudioInfo info = probe_audio(folder_ / "a.wav");
      EXPECT_EQ(info.rate_hz, rate);
      EXPECT_EQ(info.channels, channels);
      EXPECT_NEAR(info.duration_s, c.duration_s(), 1e-3);
      const DecodedAudio back = read_audio(folder_ / "a.wav");
      ASSERT_EQ(back.clip.samples.size(), c.samples.size());
      EXPECT_FALSE(back.cut);
      EXPECT_TRUE(back.damage.empty());
      for (size_t i = 0; i < c.samples.size(); ++i)
        ASSERT_NEAR(back.clip.samples[i], std::min(1.0f, std::max(-1.0f, c.samples[i])),
                    1.1f / 32768);
    }
}
TEST_F(AudioFile, LongFilesAreCutAndSaySo) {
  write_wav(folder_ / "a.wav", noise(8000, 1, 80000));
  const DecodedAudio d = read_audio(folder_ / "a.wav", 2);
  EXPECT_TRUE(d.cut);
  EXPECT_EQ(d.clip.frames(), 16000u);
}
TEST_F(AudioFile, InPiecesItIsTheSameSound) {
  const AudioClip c = noise(16000, 2, 80000);
  write_wav(folder_ / "a.wav", c);
  const AudioClip whole = read_audio(folder_ / "a.wav").clip;
  AudioStream stream(folder_ / "a.wav");
  EXPECT_EQ(stream.rate_hz(), 16000);
  EXPECT_EQ(stream.channels(), 2);
  AudioClip all, piece;
  int pieces = 0;
  for (; stream.read(piece, 1.5); ++pieces) {
    EXPECT_LT(piece.duration_s(), 1.8);
    all.samples.insert(all.samples.end(), piece.samples.begin(), piece.samples.end());
    piece.samples.clear();
  }
  EXPECT_EQ(pieces, 4);
  EXPECT_EQ(all.samples, whole.samples);
  EXPECT_FALSE(stream.read(piece, 1));
  EXPECT_TRUE(stream.damage().empty());
  EXPECT_THROW(AudioStream(folder_ / "none.wav"), Error);
}
TEST_F(AudioFile, BadInputGivesAnError) {
  EXPECT_EQ(code(folder_ / "none.wav"), ErrorCode::kNotFound);
  write_file_atomic(folder_ / "empty.wav", "");
  EXPECT_EQ(code(folder_ / "empty.wav"), ErrorCode::kBadInput);
  write_file_atomic(folder_ / "text.wav", std::string(5000, 'x'));
  EXPECT_EQ(code(folder_ / "text.wav"), ErrorCode::kBadInput);
  EXPECT_THROW(write_wav(folder_ / "a.mp3", noise(8000, 1, 10)), Error);
  write_wav(folder_ / "a.wav", noise(16000, 1, 20000));
  std::string bytes = read_file(folder_ / "a.wav");
  bytes.resize(bytes.size() / 2);
  write_file_atomic(folder_ / "half.wav", bytes);
  EXPECT_NEAR(static_cast<double>(read_audio(folder_ / "half.wav").clip.frames()), 10000, 50);
  Rng rng(2, 0, "damage");
  for (int i = 0; i < 40; ++i) {
    std::string bad = bytes;
    for (int k = 0; k < 6; ++k) bad[rng.below(64)] = static_cast<char>(rng.below(256));
    write_file_atomic(folder_ / "bad.wav", bad);
    try {
      read_audio(folder_ / "bad.wav", 5);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace likeness::media
