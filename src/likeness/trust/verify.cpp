// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/verify.h"

#include <algorithm>
#include <memory>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/memory_file.h"
#include "likeness/base/sealed_file.h"
#include "likeness/media/video.h"
#include "likeness/project/project.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/manifest_store.h"
#include "likeness/trust/provenance.h"
#include "likeness/trust/verify_parts.h"
#include "likeness/trust/watermark_still.h"

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

/// A file of a person's, opened with the keys that a project gives.
struct Opened {
  std::vector<Grant> grants;  ///< the keys are open while they live
  std::unique_ptr<MemoryFile> plain;
  std::string why_not, broken;
};

/// Nothing when the file is not sealed. Whose it is says the ledger that knows its keys.
std::optional<Opened> open_sealed(const fs::path& path, const VerifyOptions& options) {
  Opened out;
  std::optional<SealedInfo> info;
  try {
    info = sealed_info(path);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kDamaged) throw;
    out.broken = e.what();
    return out;
  }
  if (!info) return std::nullopt;
  out.why_not = "no project named here knows its keys";
  for (const auto& folder : options.projects) {
    try {
      const auto project = project::Project::open(folder);
      for (const LedgerEntry& e : Ledger(ledger_path(project)).read()) {
        const auto& keys = info->key_ids;
        if (e.type != "material-key" || !e.body.is_object() ||
            std::find(keys.begin(), keys.end(), e.body.value("key", "")) == keys.end())
          continue;
        out.grants.push_back(
            authorise(project, {.task = "verify",
                                .operation = Operation::kAnalyse,
                                .subjects = {{e.body.value("subject", ""), Role::kFootage}}}));
      }
    } catch (const Error& e) {  // revoked, or not of this project
      out.why_not = e.what();
    }
  }
  try {
    out.plain = std::make_unique<MemoryFile>(read_file(path));
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kDamaged) out.broken = e.what();
  }
  return out;
}

/// The manifest in the file, else beside it: FILE.c2pa or the name with .c2pa as its extension.
/// `bytes`: where the file's content is, in clear.
Found find_manifest(const fs::path& path, const fs::path& bytes, const std::string& mime,
                    const std::string& anchors) {
  Found out;
  try {
    out.reading = c2pa::read(bytes, mime, anchors);
    if (out.reading) out.place = "embedded";
    fs::path other = path;
    other.replace_extension(".c2pa");
    for (const fs::path& sidecar : {fs::path(path.string() + ".c2pa"), other}) {
      std::error_code ec;
      if (out.reading || sidecar == path || !fs::is_regular_file(sidecar, ec)) continue;
      out.place = "sidecar";
      out.reading = c2pa::read(bytes, mime, anchors, read_file(sidecar, kLongestSidecar));
    }
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kDamaged && e.code() != ErrorCode::kBadInput) throw;
    out.broken = e.what();
    if (out.place == "none") out.place = "embedded";
  }
  return out;
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
  const std::optional<Opened> sealed = open_sealed(path, options);
  const fs::path bytes = sealed && sealed->plain ? sealed->plain->path() : path;
  const c2pa::Format format = c2pa::sniff(bytes);
  const std::string anchors = trusted_roots_pem();
  Verification out;
  Evidence e;
  json& j = out.json;
  j = {{"path", path.string()}, {"format", format.mime}, {"problems", json::array()}};
  if (sealed) j["sealed"] = {{"opened", sealed->plain != nullptr}, {"why", sealed->why_not}};
  Found found = find_manifest(path, bytes, format.mime, anchors);
  if (sealed && !sealed->broken.empty()) found = {std::nullopt, "sealed", sealed->broken};
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
    e.no_mark_stated = j["manifest"]["mark_state"].is_object();
    j["consent"] = check_consents(j["manifest"], options.projects);
  }
  if (options.read_watermark) {
    j["watermark"] =
        read_mark(bytes, format.mime, e.named_mark.has_value() || e.no_mark_stated, nullptr, e);
  } else {
    j["watermark"] = {{"looked", false}, {"found", false}, {"reason", "not asked for"}};
  }
  if ((e.mark || e.short_mark) && e.manifest != Evidence::Manifest::kValid) {
    j["recovered"] = json::array();
    for (const auto& stored : recover(e, options))
      j["recovered"].push_back(recovered_json(stored, bytes, format.mime, anchors, options));
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
    // Pictures that were signed one by one (exported crops) have no order.
    if (good && (!id.empty() || sequence.contains("sequence")) &&
        (sequence.value("sequence", "") != id || sequence.value("index", int64_t{-1}) != place))
      ordered = false;
    e.trusted = (place == 0 || e.trusted) && m["state"] == "trusted";
    e.claims_ai = e.claims_ai || m.value("claims_ai", false);
    if (m.contains("watermark") && m["watermark"].is_string())
      e.named_mark = watermark_id(m["watermark"]);
    e.no_mark_stated =
        e.no_mark_stated || (m.contains("mark_state") && m["mark_state"].is_object());
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
        read_mark(folder, "", e.named_mark.has_value() || e.no_mark_stated,
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
    if (!marked && (e.no_mark_stated || (e.short_sound && !e.named_mark)))
      return Verdict::kSyntheticVerified;
    if (!marked)
      return e.has_pixels || e.has_sound ? Verdict::kSyntheticDeclared : Verdict::kSignedDocument;
    const bool equal = e.named_mark && (e.mark ? *e.mark == *e.named_mark
                                               : *e.short_mark == still_id(*e.named_mark));
    return equal ? Verdict::kSyntheticVerified : Verdict::kConflict;
  }
  if (marked) return Verdict::kConflict;
  if (!e.has_pixels && !e.has_sound) return Verdict::kSignedDocument;
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
