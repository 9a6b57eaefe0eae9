// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/manifest_store.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/provenance.h"
#include "likeness/trust/watermark_still.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

void collect(const fs::path& folder, std::vector<StoredManifest>& out) {
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(folder, ec)) {
    if (f.path().extension() != ".json") continue;
    fs::path manifest = f.path();
    manifest.replace_extension(".c2pa");
    try {
      auto about = nlohmann::json::parse(read_file(f.path(), 1 << 20), nullptr, false);
      if (about.is_object() && fs::is_regular_file(manifest, ec))
        out.push_back({manifest, std::move(about)});
    } catch (const Error&) {  // another process removed it
    }
  }
}
void newest_first(std::vector<StoredManifest>& list) {
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.about.value("made_at", "") > b.about.value("made_at", "");
  });
}

}  // namespace

ManifestStore ManifestStore::of_user() { return ManifestStore(home_folder() / "manifests"); }
ManifestStore ManifestStore::of_project(const fs::path& project) {
  return ManifestStore(project / "manifests");
}

void ManifestStore::put(uint64_t watermark, const std::string& label, const std::string& manifest,
                        const nlohmann::json& about) const {
  const size_t colon = label.rfind(':');
  const std::string name = colon == std::string::npos ? label : label.substr(colon + 1);
  const fs::path folder = folder_ / watermark_text(watermark);
  write_file_atomic(folder / (name + ".c2pa"), manifest);
  nlohmann::json j = about;
  j["label"] = label;
  write_file_atomic(folder / (name + ".json"), j.dump(1) + "\n");  // last: it makes the entry
}

std::vector<StoredManifest> ManifestStore::find(uint64_t watermark) const {
  std::vector<StoredManifest> out;
  collect(folder_ / watermark_text(watermark), out);
  newest_first(out);
  return out;
}

std::vector<StoredManifest> ManifestStore::find_short(uint32_t watermark) const {
  std::vector<StoredManifest> out;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(folder_, ec)) {
    const auto id = watermark_id(f.path().filename().string());
    if (id && still_id(*id) == watermark) collect(f.path(), out);
  }
  newest_first(out);
  return out;
}

}  // namespace likeness::trust
