// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/finish.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/trust/ledger.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

/// A folder (an image sequence) is hashed as the list of its files' names and hashes.
std::string hash_of(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256_file(path);
  std::vector<fs::path> files;
  for (const auto& f : fs::recursive_directory_iterator(path))
    if (f.is_regular_file()) files.push_back(f.path());
  std::sort(files.begin(), files.end());
  std::string list;
  for (const auto& f : files) list += fs::relative(f, path).string() + "\n" + sha256_file(f) + "\n";
  return sha256(list);
}

std::string shown(const project::Project& project, const fs::path& path) {
  fs::path inside = path.lexically_normal().lexically_relative(project.folder());
  return inside.empty() || *inside.begin() == ".." ? path.string() : inside.string();
}

}  // namespace

fs::path ledger_path(const project::Project& project) { return project.folder() / "ledger.jsonl"; }

Finished finish(const project::Project& project, const Grant& grant, int64_t job,
                const std::vector<Input>& inputs, const Output& output) {
  Finished done{output.kind, output.path, hash_of(output.temporary), ""};
  nlohmann::json ins = nlohmann::json::array();
  for (const Input& in : inputs)
    ins.push_back({{"path", shown(project, in.path)}, {"sha256", in.hash}});
  // Before the rename: a line without its file is harmless, a file without its line is not.
  done.ledger_hash = Ledger(ledger_path(project))
                         .append("output", {{"job", job},
                                            {"grant", grant.record()},
                                            {"inputs", ins},
                                            {"output",
                                             {{"kind", output.kind},
                                              {"path", shown(project, output.path)},
                                              {"sha256", done.hash}}}})
                         .hash;
  if (output.temporary != output.path) commit_file(output.temporary, output.path);
  return done;
}

}  // namespace likeness::trust
