// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <gtest/gtest.h>

#include "likeness/audio/spectrum.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/trust/watermark_audio_live.h"
#include "likeness/voice/spoken_pieces.h"
#include "likeness/voice/voice.h"

namespace likeness::tasks {
namespace {

TEST(LiveMark, SpectraMarkedAsTheyComeAreReadLikeAnyOther) {
  constexpr uint64_t kId = 0xfedcba9876543210ull;
  AudioClip clip =
      voice::open_voice("rms")
          ->speak(voice::as_one_sentence(
              "The birch canoe slid on the smooth planks and nobody on the shore had heard it come "
              "while "
              "the evening went down behind the hills and four hours of steady work faced us"))
          .clip;
  ASSERT_GT(clip.duration_s(), 8);
  audio::Spectra spectra = audio::stft(clip.samples, {.window = 1024, .hop = 256});
  trust::LiveAudioMark live(kId, clip.rate_hz, 1024);
  for (size_t t = 0; t < spectra.frames; ++t)
    live.mark(spectra.frame(t), static_cast<double>(t) * 256 / clip.rate_hz);
  AudioClip out = clip;
  out.samples = audio::istft(spectra);
  ASSERT_LE(clip.samples.size() - out.samples.size(), 256u);
  const auto read = trust::read_audio_watermark(out);
  EXPECT_TRUE(read.found) << read.reason << " " << read.score;
  EXPECT_EQ(read.id, kId);
  EXPECT_NEAR(std::remainder(read.time_offset_s, 8), 0, 0.05);
  EXPECT_FALSE(trust::read_audio_watermark(clip).present);
  double sound = 0, change = 0;
  for (size_t i = 0; i < out.samples.size(); ++i) {
    sound += static_cast<double>(clip.samples[i]) * clip.samples[i];
    const double d = static_cast<double>(out.samples[i] - clip.samples[i]);
    change += d * d;
  }
  EXPECT_GT(10 * std::log10(sound / change), 29);
  RecordProperty("snr_db", std::to_string(10 * std::log10(sound / change)));
  RecordProperty("score", std::to_string(read.score));
}

}  // namespace
}  // namespace likeness::tasks
