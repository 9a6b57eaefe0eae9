// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/output_library.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "likeness/base/error.h"
#include "likeness/base/file_facts.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

std::string kind_of(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return "sequence";
  const std::string e = path.extension().string();
  if (e == ".html" || e == ".json") return "report";
  if (e == ".wav" || e == ".flac" || e == ".mp3" || e == ".m4a" || e == ".ogg") return "audio";
  if (media::is_image_path(path)) return "image";
  return "video";
}

bool is_wanted(const fs::directory_entry& entry) {
  std::error_code ec;
  const std::string name = entry.path().filename().string();
  if (name[0] == '.' || entry.path().extension() == ".c2pa" || entry.is_symlink(ec)) return false;
  if (entry.is_directory(ec)) return name.rfind("takedown-", 0) != 0;
  return entry.is_regular_file(ec);
}

/// How the ledger names a file of the outputs folder.
std::string ledger_name(const std::string& name) { return "outputs/" + name; }

/// What the file itself tells.
OutputRow row_of(const fs::directory_entry& f) {
  std::error_code ec;
  OutputRow row;
  row.path = f.path();
  row.name = f.path().filename().string();
  row.id = sha256(ledger_name(row.name)).substr(0, 16);
  row.kind = kind_of(row.path);
  row.bytes = f.is_directory(ec) ? 0 : f.file_size(ec);
  row.made_at = modified_utc(row.path);
  return row;
}

}  // namespace

std::vector<OutputRow> list_outputs(const project::Project& project) {
  std::map<std::string, trust::LedgerEntry> known;  // by path; the newest line counts
  for (auto& e : trust::Ledger(trust::ledger_path(project)).read())
    if (e.type == "output" && e.body.is_object() && e.body.contains("output"))
      known[e.body["output"].value("path", "")] = std::move(e);
  std::vector<OutputRow> out;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(project.outputs_folder(), ec)) {
    if (!is_wanted(f)) continue;
    OutputRow row = row_of(f);
    if (const auto it = known.find(ledger_name(row.name)); it != known.end()) {
      const auto& body = it->second.body;
      row.in_ledger = true;
      row.made_at = it->second.at;
      row.job = body.value("job", int64_t{0});
      if (row.kind != "sequence") row.kind = body["output"].value("kind", row.kind);
      for (const auto& in : body.value("inputs", nlohmann::json::array())) {
        row.inputs.push_back(in.value("sha256", ""));
        const fs::path path = in.value("path", "");
        if (path.filename() == "model.safetensors")
          row.models.push_back(path.parent_path().filename().string());
      }
    }
    out.push_back(std::move(row));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::pair(a.made_at, a.name) > std::pair(b.made_at, b.name);
  });
  return out;
}

OutputRow output_row(const project::Project& project, const std::string& id) {
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(project.outputs_folder(), ec)) {
    if (!is_wanted(f)) continue;
    if (OutputRow row = row_of(f); row.id == id) return row;
  }
  throw Error(ErrorCode::kNotFound, "the project has no output " + id,
              "see the list of its outputs");
}

nlohmann::json export_ledger(const project::Project& project) {
  const trust::Ledger ledger(trust::ledger_path(project));
  const auto r = ledger.verify(trust::trusted_studios());
  nlohmann::json lines = nlohmann::json::array();
  for (const auto& e : ledger.read())
    lines.push_back({{"seq", e.seq},
                     {"at", e.at},
                     {"type", e.type},
                     {"prev", e.prev},
                     {"hash", e.hash},
                     {"key", e.key},
                     {"sig", e.sig},
                     {"body", e.body}});
  return {{"format", "likeness-ledger-1"},
          {"project", project.name()},
          {"exported_at", project::now_utc()},
          {"ok", r.ok},
          {"problems", r.problems},
          {"head", r.head},
          {"studios", r.studios},
          {"lines", std::move(lines)}};
}

}  // namespace likeness::tasks
