// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/output_audio.h"

#include "likeness/media/audio_file.h"
#include "likeness/media/audio_samples.h"
#include "likeness/trust/watermark_audio.h"

namespace likeness::trust {
namespace {

constexpr double kLooksAtS = 64;  ///< as verify() does
constexpr int kReadHz = 48000;

bool carries(AudioClip clip, uint64_t watermark) {
  const auto most =
      static_cast<size_t>(kLooksAtS * clip.rate_hz) * static_cast<size_t>(clip.channels);
  if (clip.samples.size() > most) clip.samples.resize(most);
  const auto r = read_audio_watermark(clip);
  return r.found && r.id == watermark;
}

}  // namespace

WrittenAudio write_output_audio(const Grant&, uint64_t watermark, const std::filesystem::path& path,
                                const AudioClip& clip, bool marked_live) {
  constexpr int kLowestHz = 16000;
  WrittenAudio out;
  AudioClip marked = clip;
  out.marked = watermark != 0 && clip.rate_hz >= kLowestHz;
  out.readable = out.marked && marked_live && carries(clip, watermark);
  for (const double snr_db : {30.0, 26.0}) {
    if (!out.marked || out.readable) break;
    marked = clip;
    embed_audio_watermark(marked, watermark, WatermarkKey::product(), 0, {.snr_db = snr_db});
    out.readable = carries(marked, watermark);
  }
  media::write_wav(path, marked);
  return out;
}

bool sound_carries(const std::filesystem::path& path, uint64_t watermark) {
  AudioClip clip{kReadHz, 1, media::read_mono(path, kReadHz, kLooksAtS)};
  return !clip.samples.empty() && carries(std::move(clip), watermark);
}

}  // namespace likeness::trust
