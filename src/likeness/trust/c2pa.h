// SPDX-License-Identifier: Apache-2.0
// Content Credentials (C2PA 2.4) through c2pa-rs. Nothing here decides what a manifest says or what
// it means: provenance.h writes it, verify.h judges it.
//
// Rules: no network is used, except the time-stamp authority when the signer names one. Files are
// streamed; memory does not depend on their size. Everything throws likeness::Error.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::trust {
class SigningIdentity;
}

namespace likeness::trust::c2pa {

/// "c2pa-c-ffi/0.91.3 c2pa-rs/0.91.3"
std::string library_version();

/// What kind of file it is, by its first bytes, never by its name.
struct Format {
  std::string mime;         ///< "video/mp4"; "application/octet-stream" when unknown
  bool embeddable = false;  ///< a manifest can be put into it
};
Format sniff(const std::filesystem::path& path);  ///< throws kNotFound, kIo

struct Ingredient {
  nlohmann::json description;  ///< title, relationship, label, ...
  std::string mime;
  std::filesystem::path file;  ///< its own manifest, when it has one, is carried along and checked
};
struct Resource {
  std::string id;  ///< as named in the definition
  std::string bytes;
};

struct Order {
  nlohmann::json definition;
  std::vector<Ingredient> ingredients;
  std::vector<Resource> resources;
  std::string mime;
  bool embed = true;  ///< false: `out` is a copy of `in` and the manifest goes beside it
};

/// Writes the signed copy of `in` to `out` (must not exist as the same file) and gives the manifest
/// store (JUMBF). Throws kInternal (the definition is wrong), kDamaged (`in`), kMissing, kIo,
/// kNoSpace.
std::string sign(const Order& order, const std::filesystem::path& in,
                 const std::filesystem::path& out, const SigningIdentity& signer);

/// What c2pa-rs says about a file; `json` is its manifest store report with validation results.
struct Reading {
  nlohmann::json json;
  std::string crjson;  ///< the form the conformance program's rubrics are written for
};
/// Nothing when the file carries no manifest. `manifest` (a sidecar) is used in its place when not
/// empty. `anchors_pem`: root certificates that make a signer trusted. Throws kDamaged when a
/// manifest is there but cannot be parsed.
std::optional<Reading> read(const std::filesystem::path& path, const std::string& mime,
                            const std::string& anchors_pem, const std::string& manifest = "");

}  // namespace likeness::trust::c2pa
