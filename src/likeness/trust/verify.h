// SPDX-License-Identifier: Apache-2.0
// What a file is, as far as it proves or betrays it: its manifest, its mark, and whether the two
// agree. No network is used. Manifest text is foreign: it is shown only in quotes, escaped, and
// never from a manifest that is not valid without saying so.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::trust {

enum class Verdict {
  /// The manifest says AI, and what it says of a mark is so: the one it names is there, or it says
  /// that none fits, or that the one it names is too weak to be read, and none is found.
  kSyntheticVerified,
  kSyntheticDeclared,     ///< the manifest says AI; its mark is gone, or was never ours
  kSyntheticByWatermark,  ///< no manifest, but our mark
  kSignedDocument,        ///< a report or another file without pixels, signed and unchanged
  kAuthentic,             ///< signed by somebody trusted, says no AI, no mark
  kNothing,               ///< no manifest and no mark: says nothing, least of all that it is real
  kConflict,              ///< manifest and mark contradict each other
  kRecorded,              ///< no manifest, but the ledger of its project records these bytes
  kChanged                ///< the manifest does not fit the bytes, or is broken
};
const char* verdict_name(Verdict verdict);  ///< "synthetic-verified", ...
/// 0 proven and consistent, 20 nothing found, 21 synthetic but the proof is incomplete, 22 changed
/// or contradictory.
int verdict_exit_status(Verdict verdict);

struct VerifyOptions {
  std::vector<std::filesystem::path> projects;  ///< whose manifests and ledgers may be asked too
  bool read_watermark = true;
};

struct Verification {
  Verdict verdict = Verdict::kNothing;
  /// {path, format, verdict, summary, manifest: {...}, claims_ai, actions: [...], ingredients:
  /// [...],
  ///  consent: [...], watermark: {...}, ledger, problems: [...], advice}
  nlohmann::json json;
};

/// A file, or a folder of images (a sequence). Throws kNotFound, kIo, kBadInput (a folder without
/// images); a damaged file is a verdict, not an exception.
Verification verify(const std::filesystem::path& path, const VerifyOptions& options = {});

/// The decision alone: the conflict matrix.
struct Evidence {
  enum class Manifest { kNone, kValid, kInvalid } manifest = Manifest::kNone;
  bool trusted = false;                ///< signer known
  bool claims_ai = false;              ///< anywhere in the manifest's story
  bool has_pixels = true;              ///< a picture a mark can be in
  bool has_sound = false;              ///< it is sound
  bool short_sound = false;            ///< sound too short to hold the whole mark
  bool no_mark_stated = false;         ///< the manifest says that no mark can be read, and why
  std::optional<uint64_t> named_mark;  ///< by the soft binding
  std::optional<uint64_t> mark;        ///< found in a video or in sound
  /// What the newest line of a ledger about this very path says: the same bytes, or others.
  std::optional<bool> recorded;
  std::optional<uint32_t> short_mark;  ///< found in a still: still_id() of the whole one
};
Verdict judge(const Evidence& evidence);

}  // namespace likeness::trust
