// SPDX-License-Identifier: Apache-2.0
// Deleting means moving to trash/<stamp>-<kind>-<name>/, where entry.json tells how to go back.
#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/project/project_impl.h"

namespace likeness::project {
namespace fs = std::filesystem;
namespace {

fs::path new_entry_folder(const fs::path& trash, const std::string& kind, const std::string& name) {
  std::string stamp;
  for (char c : now_utc())
    if (c != ':' && c != '-') stamp += c;
  std::error_code ec;
  fs::create_directories(trash, ec);
  for (int i = 0; i < 1000; ++i) {
    std::string entry = stamp + "-" + kind + "-" + name;
    if (i > 0) entry.append("-").append(std::to_string(i));
    fs::path folder = trash / entry;
    if (fs::create_directory(folder, ec)) return folder;
    if (ec) throw_errno(ec.value(), "cannot create " + folder.string());
  }
  throw Error(ErrorCode::kIo, "cannot find a free name in " + trash.string(),
              "empty the trash folder");
}

TrashEntry read_entry(const fs::path& folder, nlohmann::json* whole = nullptr) {
  auto j = nlohmann::json::parse(read_file(folder / "entry.json", 1 << 20), nullptr, false);
  if (!j.is_object())
    throw Error(ErrorCode::kDamaged, folder.string() + "/entry.json cannot be read",
                "move what is in this folder back by hand");
  TrashEntry e;
  e.id = folder.filename().string();
  e.kind = j.value("kind", "");
  e.name = j.value("name", "");
  e.original = j.value("original", "");
  e.deleted_at = j.value("deleted_at", "");
  if (whole) *whole = j;
  return e;
}

}  // namespace

TrashEntry Project::Impl::to_trash(const fs::path& path, const std::string& kind,
                                   const std::string& name, const nlohmann::json& extra) {
  TrashEntry e;
  e.kind = kind;
  e.name = name;
  e.deleted_at = now_utc();
  std::error_code ec;
  const bool has_file = !path.empty() && fs::exists(path, ec);
  if (has_file) {
    fs::path inside = fs::relative(path, folder, ec);
    if (ec || inside.empty() || *inside.begin() == "..")
      throw Error(ErrorCode::kUsage, path.string() + " is not in the project",
                  "name a file of " + folder.string());
    e.original = inside.string();
  } else if (!path.empty() && extra.is_null()) {
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the name");
  }
  fs::path entry = new_entry_folder(folder / "trash", kind, name);
  e.id = entry.filename().string();
  nlohmann::json j = {
      {"kind", kind}, {"name", name}, {"original", e.original}, {"deleted_at", e.deleted_at}};
  if (!extra.is_null()) j["record"] = extra;
  write_file_atomic(entry / "entry.json", j.dump(2) + "\n");
  if (has_file) {
    fs::rename(path, entry / path.filename(), ec);
    if (ec) {
      fs::remove_all(entry);
      throw_errno(ec.value(), "cannot move " + path.string() + " to the trash");
    }
  }
  return e;
}

TrashEntry Project::move_to_trash(const fs::path& path, const std::string& kind,
                                  const std::string& name) {
  return impl_->to_trash(path, kind, name, nullptr);
}

std::vector<TrashEntry> Project::trash() const {
  std::vector<TrashEntry> out;
  std::error_code ec;
  for (const auto& d : fs::directory_iterator(trash_folder(), ec))
    if (d.is_directory() && fs::exists(d.path() / "entry.json"))
      out.push_back(read_entry(d.path()));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id > b.id; });
  return out;
}

TrashEntry Project::restore(const std::string& id) {
  std::error_code ec;
  fs::path entry = trash_folder() / id;
  if (id.empty() || id.find('/') != std::string::npos || id[0] == '.' ||
      !fs::exists(entry / "entry.json", ec))
    throw Error(ErrorCode::kNotFound, "nothing in the trash is called '" + id + "'",
                "list it with: likeness project trash " + folder().string());
  nlohmann::json whole;
  TrashEntry e = read_entry(entry, &whole);
  fs::path target =
      e.original.empty() ? fs::path() : (impl_->folder / e.original).lexically_normal();
  fs::path inside =
      target.empty() ? fs::path() : target.lexically_relative(impl_->folder.lexically_normal());
  if (!inside.empty() && *inside.begin() == "..")
    throw Error(ErrorCode::kDamaged, "the trash entry " + id + " points outside the project",
                "move what is in " + entry.string() + " back by hand");
  if (!target.empty() && fs::exists(target, ec))
    throw Error(ErrorCode::kUsage, e.original + " exists again", "delete or rename that one first");
  if (whole.contains("record")) impl_->restore_record(e, whole["record"]);
  if (!target.empty()) {
    fs::create_directories(target.parent_path(), ec);
    fs::rename(entry / target.filename(), target, ec);
    if (ec) throw_errno(ec.value(), "cannot move " + target.string() + " back");
  }
  fs::remove_all(entry, ec);
  return e;
}

}  // namespace likeness::project
