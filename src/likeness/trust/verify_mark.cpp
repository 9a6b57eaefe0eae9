// SPDX-License-Identifier: Apache-2.0
// The mark of a file, whatever kind of file it is.
#include <algorithm>
#include <array>
#include <fstream>

#include "likeness/base/audio.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_samples.h"
#include "likeness/media/video.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/output_audio.h"
#include "likeness/trust/provenance.h"
#include "likeness/trust/verify_parts.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/trust/watermark_still.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

json registration_json(const WatermarkRegistration& r) {
  return {{"scale", r.scale}, {"rotation_deg", r.rotation_deg}, {"mirrored", r.mirrored}};
}

json mark_json(const VideoWatermarkResult& r) {
  json j = {{"looked", true}, {"found", r.found}, {"present", r.present}, {"reason", r.reason}};
  if (r.found)
    j.update({{"id", watermark_text(r.id)},
              {"confidence", r.confidence},
              {"registration", registration_json(r.registration)}});
  return j;
}

json read_still_mark(const fs::path& path, bool as_framed, Evidence& evidence) {
  const Image8 image = media::read_image(path);
  auto r = read_still_watermark(image, WatermarkKey::product(), WatermarkSearch::kQuick);
  if (!r.found && !as_framed) r = read_still_watermark(image);
  json j = {{"looked", true}, {"found", r.found}, {"present", r.present}, {"reason", r.reason}};
  if (!r.found) return j;
  evidence.short_mark = r.id;
  j.update({{"id", watermark_text(r.id).substr(8)},
            {"confidence", r.confidence},
            {"registration", registration_json(r.registration)}});
  return j;
}

/// One picture that became a "sequence" of one: a still.
std::optional<json> read_lone_mark(const fs::path& folder, bool as_framed, Evidence& evidence) {
  const auto files = media::list_media(folder);
  if (files.size() != 1) return std::nullopt;
  const media::VideoInfo info = media::probe(files[0]);
  if (!can_carry_watermark("image", info.width, info.height)) return std::nullopt;
  return read_still_mark(files[0], as_framed, evidence);
}

/// Images have no times: those of the rate the manifest names, else of the usual ones.
json read_sequence_mark(const fs::path& folder, const json& named_rate, Evidence& evidence) {
  constexpr int64_t kMostFrames = 1500;
  std::vector<double> rates = {24, 25, 30, 24000.0 / 1001, 30000.0 / 1001, 50, 60, 15, 12};
  if (named_rate.is_array() && named_rate.size() == 2 && named_rate[0].is_number_integer() &&
      named_rate[1].is_number_integer() && named_rate[0] > 0 && named_rate[1] > 0)
    rates = {named_rate[0].get<double>() / named_rate[1].get<double>()};
  std::vector<VideoWatermarkReader> readers;
  for (size_t i = 0; i < rates.size(); ++i)
    readers.emplace_back(WatermarkKey::product(), WatermarkSearch::kQuick);
  media::VideoReader reader(folder);
  for (int64_t n = 0; n < kMostFrames; ++n) {
    const auto frame = reader.next();
    if (!frame) break;
    for (size_t i = 0; i < rates.size(); ++i)
      readers[i].add(*frame, static_cast<double>(n) / rates[i]);
  }
  json last;
  for (auto& r : readers) {
    const auto result = r.result();
    last = mark_json(result);
    if (!result.found) continue;
    evidence.mark = result.id;
    break;
  }
  return last;
}

/// The mark in the sound of a file.
json read_sound_mark(const fs::path& path, Evidence& evidence) {
  constexpr int kRateHz = 48000;
  constexpr double kLongestS = 64;
  AudioClip clip{kRateHz, 1, media::read_mono(path, kRateHz, kLongestS)};
  if (clip.samples.empty())
    return {{"looked", true}, {"found", false}, {"fits", false}, {"reason", "there is no sound"}};
  evidence.short_sound = clip.duration_s() < kAudioMarkBlockS;
  const auto r = read_audio_watermark(clip);
  json j = {{"looked", true}, {"found", r.found}, {"present", r.present}, {"reason", r.reason}};
  if (!r.found) return j;
  evidence.mark = r.id;
  j.update({{"id", watermark_text(r.id)}, {"confidence", r.confidence}, {"in", "sound"}});
  return j;
}

/// FFmpeg can draw plain text as a picture; nothing was ever marked there.
bool is_text(const fs::path& path) {
  std::error_code ec;
  if (!fs::is_regular_file(path, ec)) return false;
  std::ifstream in(path, std::ios::binary);
  std::array<char, 4096> start{};
  in.read(start.data(), start.size());
  const auto end = start.begin() + in.gcount();
  return end != start.begin() && std::none_of(start.begin(), end, [](unsigned char c) {
           return c < 0x20 && c != '\n' && c != '\r' && c != '\t';
         });
}

}  // namespace

json read_mark(const fs::path& path, const std::string& mime, bool as_framed, const json& rate,
               Evidence& evidence) {
  try {
    if (is_text(path)) {
      evidence.has_pixels = false;
      return {{"looked", false}, {"found", false}, {"fits", false}, {"reason", "it is a text"}};
    }
    if (mime.rfind("audio/", 0) == 0) {
      evidence.has_pixels = false;
      evidence.has_sound = true;
      return read_sound_mark(path, evidence);
    }
    const media::VideoInfo info = media::probe(path);
    const bool still = info.is_still && !info.is_image_sequence;
    if (!can_carry_watermark(still ? "image" : "video", info.width, info.height))
      return {{"looked", true},
              {"found", false},
              {"fits", false},
              {"reason", "the picture is too small to carry a mark"}};
    if (still) return read_still_mark(path, as_framed, evidence);
    if (info.is_image_sequence) {
      if (const auto lone = read_lone_mark(path, as_framed, evidence); lone && evidence.short_mark)
        return *lone;
      return read_sequence_mark(path, rate, evidence);
    }
    auto r = read_video_watermark(path, WatermarkKey::product(), WatermarkSearch::kQuick);
    if (!r.found && !as_framed) r = read_video_watermark(path);
    if (!r.found && !as_framed && info.has_audio)
      if (json sound = read_sound_mark(path, evidence); evidence.mark) return sound;
    if (r.found) evidence.mark = r.id;
    return mark_json(r);
  } catch (const Error& e) {
    evidence.has_pixels = e.code() != ErrorCode::kBadInput;
    return {{"looked", false},
            {"found", false},
            {"fits", false},
            {"reason", std::string("no picture could be read: ") + e.what()}};
  }
}

}  // namespace likeness::trust
