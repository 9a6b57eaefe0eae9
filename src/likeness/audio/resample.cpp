// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/resample.h"

#include <cmath>
#include <string>

#include <soxr.h>

#include "likeness/base/error.h"

namespace likeness::audio {
namespace {

constexpr int kLowestHz = 1000, kHighestHz = 384000;

void check_rate(int hz) {
  if (hz < kLowestHz || hz > kHighestHz)
    throw Error(ErrorCode::kBadInput,
                "a sample rate of " + std::to_string(hz) + " Hz is not usable",
                "use sound of 8000 to 192000 Hz");
}

}  // namespace

void check_clip(const AudioClip& clip) {
  check_rate(clip.rate_hz);
  if (clip.channels < 1 || clip.channels > 64 ||
      clip.samples.size() % static_cast<size_t>(clip.channels) != 0)
    throw Error(ErrorCode::kBadInput, "the sound has no proper number of channels",
                "decode it again");
  for (const float v : clip.samples)
    if (!std::isfinite(v))
      throw Error(ErrorCode::kBadInput, "the sound holds samples that are not numbers",
                  "export it again from the program that made it");
}

AudioClip resample(const AudioClip& clip, int to_hz) {
  check_clip(clip);
  check_rate(to_hz);
  if (to_hz == clip.rate_hz) return clip;
  const double ratio = static_cast<double>(to_hz) / clip.rate_hz;
  const auto want = static_cast<size_t>(std::llround(static_cast<double>(clip.frames()) * ratio));
  AudioClip out{to_hz, clip.channels, {}};
  out.samples.resize(want * static_cast<size_t>(clip.channels));
  if (want == 0) return out;
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  size_t made = 0;
  const soxr_error_t failed = soxr_oneshot(
      clip.rate_hz, to_hz, static_cast<unsigned>(clip.channels), clip.samples.data(), clip.frames(),
      nullptr, out.samples.data(), want, &made, &io, &quality, &runtime);
  if (failed)
    throw Error(ErrorCode::kInternal, std::string("the sound cannot be resampled: ") + failed,
                "please report this with the command you ran");
  return out;
}

std::vector<float> resample(std::span<const float> mono, int from_hz, int to_hz) {
  return resample(AudioClip{from_hz, 1, {mono.begin(), mono.end()}}, to_hz).samples;
}

AudioClip to_mono(const AudioClip& clip) {
  check_clip(clip);
  if (clip.channels == 1) return clip;
  const auto channels = static_cast<size_t>(clip.channels);
  AudioClip out{clip.rate_hz, 1, std::vector<float>(clip.frames())};
  for (size_t i = 0; i < out.samples.size(); ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) sum += clip.samples[i * channels + c];
    out.samples[i] = sum / static_cast<float>(channels);
  }
  return out;
}

}  // namespace likeness::audio
