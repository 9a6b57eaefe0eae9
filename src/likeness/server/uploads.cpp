// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/uploads.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/media_library.h"
#include "likeness/trust/keys.h"

namespace likeness::server {
namespace fs = std::filesystem;
namespace {
constexpr size_t kMostUploads = 64;
constexpr int64_t kKeepFree = 64 << 20;  ///< the database and its log must be able to grow
std::string megabytes(uint64_t bytes) { return std::to_string((bytes + (1 << 19)) >> 20) + " MB"; }
}  // namespace

Uploads::Upload::~Upload() {
  if (fd >= 0) ::close(fd);
  std::error_code ec;
  if (!folder.empty()) fs::remove_all(folder, ec);
}
Uploads::~Uploads() = default;

std::string Uploads::begin(const std::string& project_id, const project::Project& project,
                           const std::string& name, int64_t size) {
  if (size <= 0)
    throw Error(ErrorCode::kBadInput, tasks::safe_file_name(name) + " is empty (0 bytes)",
                "copy the file again; the original may be damaged");
  std::error_code ec;
  const auto space = fs::space(project.folder(), ec);
  if (!ec && static_cast<uint64_t>(size) + kKeepFree > space.available)
    throw Error(ErrorCode::kNoSpace,
                tasks::safe_file_name(name) + " needs " + megabytes(static_cast<uint64_t>(size)) +
                    ", the disk has " + megabytes(space.available) + " left",
                "free some disk space; the trash of the project is a good place to look");
  auto upload = std::make_shared<Upload>();
  const std::string id = hex(trust::random_bytes(8));
  upload->project = project_id;
  upload->name = tasks::safe_file_name(name);
  upload->size = size;
  upload->folder = project.folder() / "work" / "uploads" / id;
  upload->file = upload->folder / upload->name;
  fs::create_directories(upload->folder, ec);
  if (ec) throw_errno(ec.value(), "cannot create " + upload->folder.string());
  upload->fd =
      ::open(upload->file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (upload->fd < 0) throw_errno(errno, "cannot write " + upload->file.string());
  std::lock_guard lock(mutex_);
  if (uploads_.size() >= kMostUploads)
    throw Error(ErrorCode::kUsage, "too many uploads at once", "wait until some are done");
  uploads_[id] = std::move(upload);
  return id;
}

std::shared_ptr<Uploads::Upload> Uploads::find(const std::string& project_id,
                                               const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto it = uploads_.find(id);
  if (it == uploads_.end() || it->second->project != project_id)
    throw Error(ErrorCode::kNotFound, "there is no upload " + id, "begin it again");
  return it->second;
}

int64_t Uploads::put(const std::string& project_id, const std::string& id, int64_t offset,
                     std::string_view bytes) {
  const auto upload = find(project_id, id);
  std::lock_guard lock(upload->mutex);
  const auto length = static_cast<int64_t>(bytes.size());
  if (offset < 0 || offset > upload->received || length > upload->size - offset)
    throw Error(ErrorCode::kUsage,
                "these bytes do not fit: " + std::to_string(upload->received) + " of " +
                    std::to_string(upload->size) + " are here",
                "send the bytes from there on");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pwrite(upload->fd, bytes.data() + done, bytes.size() - done,
                               offset + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n < 0 ? errno : ENOSPC;
      drop(project_id, id);
      throw_errno(error == EFBIG || error == EDQUOT ? ENOSPC : error,
                  "cannot write " + upload->name);
    }
    done += static_cast<size_t>(n);
  }
  upload->received = std::max(upload->received, offset + length);
  return upload->received;
}

fs::path Uploads::finish(const std::string& project_id, const std::string& id) {
  const auto upload = find(project_id, id);
  std::lock_guard lock(upload->mutex);
  if (upload->received != upload->size)
    throw Error(ErrorCode::kUsage,
                std::to_string(upload->received) + " of " + std::to_string(upload->size) +
                    " bytes are here",
                "send the rest first");
  if (upload->fd >= 0) {
    if (::fsync(upload->fd) != 0) throw_errno(errno, "cannot write " + upload->name);
    ::close(upload->fd);
    upload->fd = -1;
  }
  return upload->file;
}

void Uploads::drop(const std::string& project_id, const std::string& id) {
  std::shared_ptr<Upload> gone;  // its folder is removed when the last user lets go
  std::lock_guard lock(mutex_);
  const auto it = uploads_.find(id);
  if (it == uploads_.end() || it->second->project != project_id) return;
  gone = std::move(it->second);
  uploads_.erase(it);
}

}  // namespace likeness::server
