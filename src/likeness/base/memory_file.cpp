// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/memory_file.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"

namespace likeness {

MemoryFile::MemoryFile(std::string_view bytes) : fd_(::memfd_create("likeness", MFD_CLOEXEC)) {
  constexpr const char* kWhat = "cannot hold a file in memory";
  if (fd_ < 0) throw_errno(errno, kWhat);
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(fd_, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno != EINTR) {
      const int error = errno;
      ::close(fd_);
      throw_errno(error, kWhat);
    }
    at += static_cast<size_t>(std::max<ssize_t>(0, n));
  }
}
MemoryFile::~MemoryFile() { ::close(fd_); }

std::filesystem::path MemoryFile::path() const {
  return std::filesystem::path("/proc/self/fd") / std::to_string(fd_);
}
std::string MemoryFile::bytes() const { return read_file(path()); }

}  // namespace likeness
