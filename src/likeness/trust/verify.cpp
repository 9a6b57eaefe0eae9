// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/verify.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/audio.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/audio_samples.h"
#include "likeness/media/video.h"
#include "likeness/project/project.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/manifest_store.h"
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

constexpr uint64_t kLongestSidecar = 64ull << 20;

struct Found {
  std::optional<c2pa::Reading> reading;
  std::string place = "none";  ///< embedded, sidecar, none
  std::string broken;          ///< why it cannot be parsed
};

/// The manifest in the file, else beside it: FILE.c2pa or the name with .c2pa as its extension.
Found find_manifest(const fs::path& path, const std::string& mime, const std::string& anchors) {
  Found out;
  try {
    out.reading = c2pa::read(path, mime, anchors);
    if (out.reading) out.place = "embedded";
    fs::path other = path;
    other.replace_extension(".c2pa");
    for (const fs::path& sidecar : {fs::path(path.string() + ".c2pa"), other}) {
      std::error_code ec;
      if (out.reading || sidecar == path || !fs::is_regular_file(sidecar, ec)) continue;
      out.place = "sidecar";
      out.reading = c2pa::read(path, mime, anchors, read_file(sidecar, kLongestSidecar));
    }
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kDamaged && e.code() != ErrorCode::kBadInput) throw;
    out.broken = e.what();
    if (out.place == "none") out.place = "embedded";
  }
  return out;
}

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

json read_still_mark(const fs::path& path, Evidence& evidence) {
  const Image8 image = media::read_image(path);
  auto r = read_still_watermark(image, WatermarkKey::product(), WatermarkSearch::kQuick);
  if (!r.found) r = read_still_watermark(image);
  json j = {{"looked", true}, {"found", r.found}, {"present", r.present}, {"reason", r.reason}};
  if (!r.found) return j;
  evidence.short_mark = r.id;
  j.update({{"id", watermark_text(r.id).substr(8)},
            {"confidence", r.confidence},
            {"registration", registration_json(r.registration)}});
  return j;
}

/// One picture that became a "sequence" of one: a still.
std::optional<json> read_lone_mark(const fs::path& folder, Evidence& evidence) {
  const auto files = media::list_media(folder);
  if (files.size() != 1) return std::nullopt;
  const media::VideoInfo info = media::probe(files[0]);
  if (!can_carry_watermark("image", info.width, info.height)) return std::nullopt;
  return read_still_mark(files[0], evidence);
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
    return {{"looked", true}, {"found", false}, {"reason", "there is no sound"}};
  evidence.short_sound = clip.duration_s() < kAudioMarkBlockS;
  const auto r = read_audio_watermark(clip);
  json j = {{"looked", true}, {"found", r.found}, {"present", r.present}, {"reason", r.reason}};
  if (!r.found) return j;
  evidence.mark = r.id;
  j.update({{"id", watermark_text(r.id)}, {"confidence", r.confidence}, {"in", "sound"}});
  return j;
}

/// The mark in the pixels, quick first; {looked, found, id, confidence, reason}.
json read_mark(const fs::path& path, const std::string& mime, bool named, const json& rate,
               Evidence& evidence) {
  try {
    if (mime.rfind("audio/", 0) == 0) {
      evidence.has_pixels = false;
      return read_sound_mark(path, evidence);
    }
    const media::VideoInfo info = media::probe(path);
    const bool still = info.is_still && !info.is_image_sequence;
    if (!can_carry_watermark(still ? "image" : "video", info.width, info.height))
      return {{"looked", true},
              {"found", false},
              {"reason", "the picture is too small to carry a mark"}};
    if (still) return read_still_mark(path, evidence);
    if (info.is_image_sequence) {
      if (const auto lone = read_lone_mark(path, evidence); lone && evidence.short_mark)
        return *lone;
      return read_sequence_mark(path, rate, evidence);
    }
    // Where the manifest names a mark the file is as it was framed; else it may have been cropped.
    auto r = read_video_watermark(path, WatermarkKey::product(), WatermarkSearch::kQuick);
    if (!r.found && !named) r = read_video_watermark(path);
    if (!r.found && !named && info.has_audio)
      if (json sound = read_sound_mark(path, evidence); evidence.mark) return sound;
    if (r.found) evidence.mark = r.id;
    return mark_json(r);
  } catch (const Error& e) {
    evidence.has_pixels = e.code() != ErrorCode::kBadInput;
    return {{"looked", false},
            {"found", false},
            {"reason", std::string("no picture could be read: ") + e.what()}};
  }
}

/// What the mark leads to: stored manifests, newest first.
std::vector<StoredManifest> recover(const Evidence& e, const VerifyOptions& options) {
  std::vector<ManifestStore> stores;
  for (const auto& p : options.projects) stores.push_back(ManifestStore::of_project(p));
  stores.push_back(ManifestStore::of_user());
  std::vector<StoredManifest> out;
  for (const auto& store : stores)
    for (auto& m : e.mark ? store.find(*e.mark) : store.find_short(*e.short_mark))
      if (std::none_of(out.begin(), out.end(),
                       [&](const auto& o) { return o.about["label"] == m.about["label"]; }))
        out.push_back(std::move(m));
  return out;
}

/// A recovered manifest cannot fit the copy's bytes; everything else in it must hold.
json recovered_json(const StoredManifest& stored, const fs::path& path, const std::string& mime,
                    const std::string& anchors, const VerifyOptions& options) {
  json j = {{"file", stored.path.string()}, {"about", stored.about}};
  try {
    const auto r = c2pa::read(path, mime, anchors, read_file(stored.path, kLongestSidecar));
    if (!r) return j;
    json m = describe_manifest(r->json);
    json& failures = m["failures"];
    json kept = json::array();
    for (const auto& f : failures) {
      const std::string code = f["code"];
      const bool binding = code.find("Hash.mismatch") != std::string::npos ||
                           code.find("Hash.malformed") != std::string::npos;
      if (!binding) kept.push_back(f);
    }
    m["holds"] = kept.empty();
    failures = std::move(kept);
    j["manifest"] = m;
    j["consent"] = check_consents(m, options.projects);
  } catch (const Error& e) {
    j["broken"] = e.what();
  }
  return j;
}

/// Verifies a sequence: every image, their numbers, and the mark over all of them.
Verification verify_folder(const fs::path& folder, const VerifyOptions& options);

Verification verify_one(const fs::path& path, const VerifyOptions& options) {
  const c2pa::Format format = c2pa::sniff(path);
  const std::string anchors = trusted_roots_pem();
  Verification out;
  Evidence e;
  json& j = out.json;
  j = {{"path", path.string()}, {"format", format.mime}, {"problems", json::array()}};
  const Found found = find_manifest(path, format.mime, anchors);
  j["manifest"] = {{"state", "none"}, {"place", found.place}};
  if (!found.broken.empty()) {
    e.manifest = Evidence::Manifest::kInvalid;
    j["manifest"].update({{"state", "broken"}, {"why", found.broken}});
  } else if (found.reading) {
    j["manifest"] = describe_manifest(found.reading->json);
    j["manifest"]["place"] = found.place;
    const std::string state = j["manifest"]["state"];
    e.manifest = state == "invalid" ? Evidence::Manifest::kInvalid : Evidence::Manifest::kValid;
    e.trusted = state == "trusted";
    e.claims_ai = j["manifest"]["claims_ai"];
    if (j["manifest"]["watermark"].is_string())
      e.named_mark = watermark_id(j["manifest"]["watermark"]);
    j["consent"] = check_consents(j["manifest"], options.projects);
  }
  if (options.read_watermark) {
    j["watermark"] = read_mark(path, format.mime, e.named_mark.has_value(), nullptr, e);
  } else {
    j["watermark"] = {{"looked", false}, {"found", false}, {"reason", "not asked for"}};
  }
  if ((e.mark || e.short_mark) && e.manifest != Evidence::Manifest::kValid) {
    j["recovered"] = json::array();
    for (const auto& stored : recover(e, options))
      j["recovered"].push_back(recovered_json(stored, path, format.mime, anchors, options));
  }
  j["ledger"] = ledger_lines(path, e, options.projects);
  for (const json& line : j["ledger"])  // in order: the newest decides
    if (line.value("same_path", false)) e.recorded = line.value("same_bytes", false);
  out.verdict = judge(e);
  explain(out, e);
  return out;
}

Verification verify_folder(const fs::path& folder, const VerifyOptions& options) {
  const auto files = media::list_media(folder);
  if (files.empty())
    throw Error(ErrorCode::kBadInput, folder.string() + " holds no picture and no video",
                "name a file, or the folder of an image sequence");
  VerifyOptions each = options;
  each.read_watermark = false;
  Verification out;
  Evidence e;
  json& j = out.json;
  std::string id;
  int64_t wrong = 0, place = 0, count = 0;
  bool ordered = true;
  for (const auto& f : files) {
    const Verification v = verify_one(f, each);
    if (j.is_null()) j = v.json;
    const json& m = v.json["manifest"];
    const bool good = m["state"] == "valid" || m["state"] == "trusted";
    if (!good) ++wrong;
    const json sequence = m.value("sequence", json::object());
    if (id.empty())
      id = sequence.value("sequence", ""), count = sequence.value("count", int64_t{0});
    if (good &&
        (sequence.value("sequence", "") != id || sequence.value("index", int64_t{-1}) != place))
      ordered = false;
    e.trusted = (place == 0 || e.trusted) && m["state"] == "trusted";
    e.claims_ai = e.claims_ai || m.value("claims_ai", false);
    if (m.contains("watermark") && m["watermark"].is_string())
      e.named_mark = watermark_id(m["watermark"]);
    ++place;
  }
  const auto total = static_cast<int64_t>(files.size());
  j["path"] = folder.string();
  j["format"] = "image sequence";
  j["images"] = {{"count", total}, {"not_valid", wrong}};
  if (wrong == total && j["manifest"]["state"] == "none") {
    e.manifest = Evidence::Manifest::kNone;
  } else if (wrong > 0 || !ordered || (count && count != total)) {
    e.manifest = Evidence::Manifest::kInvalid;
    j["problems"].push_back(
        wrong ? std::to_string(wrong) + " of " + std::to_string(total) + " images are not as signed"
              : "images are missing, were added or moved: the sequence was signed with " +
                    std::to_string(count) + " images, here are " + std::to_string(total));
  } else {
    e.manifest = Evidence::Manifest::kValid;
  }
  if (options.read_watermark)
    j["watermark"] =
        read_mark(folder, "", e.named_mark.has_value(),
                  j["manifest"].value("sequence", json::object()).value("frame_rate", json()), e);
  if (e.mark && e.manifest != Evidence::Manifest::kValid) {
    j["recovered"] = json::array();
    for (const auto& stored : recover(e, options))
      j["recovered"].push_back({{"file", stored.path.string()}, {"about", stored.about}});
  }
  out.verdict = judge(e);
  explain(out, e);
  return out;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSyntheticVerified:
      return "synthetic-verified";
    case Verdict::kSyntheticDeclared:
      return "synthetic-declared";
    case Verdict::kSyntheticByWatermark:
      return "synthetic-by-watermark";
    case Verdict::kSignedDocument:
      return "signed-document";
    case Verdict::kAuthentic:
      return "authentic";
    case Verdict::kNothing:
      return "nothing-found";
    case Verdict::kConflict:
      return "conflict";
    case Verdict::kRecorded:
      return "recorded";
    case Verdict::kChanged:
      return "changed";
  }
  return "changed";
}

int verdict_exit_status(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSyntheticVerified:
    case Verdict::kSignedDocument:
    case Verdict::kAuthentic:
    case Verdict::kRecorded:
      return 0;
    case Verdict::kNothing:
      return 20;
    case Verdict::kSyntheticDeclared:
    case Verdict::kSyntheticByWatermark:
      return 21;
    case Verdict::kConflict:
    case Verdict::kChanged:
      return 22;
  }
  return 22;
}

Verdict judge(const Evidence& e) {
  const bool marked = e.mark || e.short_mark;
  if (e.manifest == Evidence::Manifest::kInvalid) return Verdict::kChanged;
  if (e.manifest == Evidence::Manifest::kNone && !marked && e.recorded)
    return *e.recorded ? Verdict::kRecorded : Verdict::kChanged;
  if (e.manifest == Evidence::Manifest::kNone)
    return marked ? Verdict::kSyntheticByWatermark : Verdict::kNothing;
  if (e.claims_ai) {
    // A manifest that names no mark because none fits is all the proof such a file can carry.
    if (!marked && e.short_sound && !e.named_mark) return Verdict::kSyntheticVerified;
    if (!marked) return e.has_pixels ? Verdict::kSyntheticDeclared : Verdict::kSignedDocument;
    const bool equal = e.named_mark && (e.mark ? *e.mark == *e.named_mark
                                               : *e.short_mark == still_id(*e.named_mark));
    return equal ? Verdict::kSyntheticVerified : Verdict::kConflict;
  }
  if (marked) return Verdict::kConflict;
  return e.trusted ? Verdict::kAuthentic : Verdict::kNothing;
}

Verification verify(const fs::path& path, const VerifyOptions& options) {
  std::error_code ec;
  const auto status = fs::status(path, ec);
  if (!fs::exists(status))
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the path");
  if (fs::is_directory(status)) return verify_folder(path, options);
  if (!fs::is_regular_file(status))
    throw Error(ErrorCode::kBadInput, path.string() + " is not a regular file", "name a file");
  return verify_one(path, options);
}

}  // namespace likeness::trust
