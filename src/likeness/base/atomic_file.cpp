// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/atomic_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <tuple>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/sealed_file.h"

namespace likeness {
namespace fs = std::filesystem;

void throw_errno(int error_number, const std::string& what) {
  std::string text = what + ": " + std::strerror(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      throw Error(ErrorCode::kNoSpace, text,
                  "free some disk space and run the same command again; it resumes");
    case ENOENT:
      throw Error(ErrorCode::kNotFound, text, "check the path");
    case EACCES:
    case EPERM:
    case EROFS:
      throw Error(ErrorCode::kIo, text, "choose a folder you may write to");
    default:
      throw Error(ErrorCode::kIo, text, "check the disk");
  }
}

namespace {
void sync_folder(const fs::path& folder) {
  int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // not every filesystem lets a folder be opened; the rename itself is atomic
  ::fsync(fd);
  ::close(fd);
}
void make_parent(const fs::path& path) {
  if (path.parent_path().empty()) return;
  std::error_code ec;
  fs::create_directories(path.parent_path(), ec);
  if (ec) throw_errno(ec.value(), "cannot create folder " + path.parent_path().string());
}
}  // namespace

fs::path temporary_name(const fs::path& path) {
  return path.parent_path() / ("." + path.stem().string() + "." + std::to_string(::getpid()) +
                               ".tmp" + path.extension().string());
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  make_parent(path_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_errno(errno, "cannot create " + path_.string());
  seal_ = seal_detail::writer_for(path_);
}
AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}
void AtomicFile::write(const void* data, size_t size) { write_at(size_, data, size); }
void AtomicFile::write_at(uint64_t offset, const void* data, size_t size) {
  if (seal_) {
    LIKENESS_REQUIRE(offset == size_);
    const std::string ready = seal_->add(data, size);
    write_raw(raw_size_, ready.data(), ready.size());
  } else {
    write_raw(offset, data, size);
  }
  size_ = std::max<uint64_t>(size_, offset + size);
}
void AtomicFile::write_raw(uint64_t offset, const void* data, size_t size) {
  const char* p = static_cast<const char*>(data);
  size_t left = size;
  while (left > 0) {
    ssize_t n = ::pwrite(fd_, p, left, static_cast<off_t>(offset + (size - left)));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno(errno, "cannot write " + path_.string());
    }
    p += n;
    left -= static_cast<size_t>(n);
  }
  raw_size_ = std::max<uint64_t>(raw_size_, offset + size);
}
void AtomicFile::commit() {
  if (seal_) {
    const std::string end = seal_->finish();
    write_raw(raw_size_, end.data(), end.size());
    seal_.reset();
  }
  if (::fsync(fd_) != 0) throw_errno(errno, "cannot write " + path_.string());
  int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    int e = errno;
    ::unlink(temporary_.c_str());
    throw_errno(e, "cannot write " + path_.string());
  }
  sync_folder(path_.parent_path());
}

void write_file_atomic(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void commit_file(const fs::path& temporary, const fs::path& path) {
  int fd = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno(errno, "cannot open " + temporary.string());
  int synced = ::fsync(fd);
  int e = errno;
  ::close(fd);
  if (synced != 0) throw_errno(e, "cannot write " + path.string());
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    throw_errno(errno, "cannot write " + path.string());
  sync_folder(path.parent_path());
}

std::string read_file(const fs::path& path, uint64_t limit) {
  std::error_code ec;
  if (fs::is_directory(path, ec))
    throw Error(ErrorCode::kBadInput, path.string() + " is a folder, not a file", "name a file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw_errno(errno ? errno : ENOENT, "cannot open " + path.string());
  uint64_t size = fs::file_size(path, ec);
  if (!ec && size > limit)
    throw Error(ErrorCode::kBadInput,
                path.string() + " is " + std::to_string(size) + " bytes, more than the limit of " +
                    std::to_string(limit),
                "check that this is the right file");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) throw Error(ErrorCode::kIo, "cannot read " + path.string(), "check the disk");
  if (is_sealed({reinterpret_cast<const uint8_t*>(text.data()), text.size()})) {
    const MappedFile plain(path);
    text.assign(plain.bytes().begin(), plain.bytes().end());
  }
  return text;
}

MappedFile::MappedFile(const fs::path& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno(errno, "cannot open " + path.string());
  struct stat st {};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    throw Error(ErrorCode::kBadInput, path.string() + " is not a regular file", "name a file");
  }
  size_ = static_cast<size_t>(st.st_size);
  if (size_ > 0) {
    void* p = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    int e = errno;
    ::close(fd);
    if (p == MAP_FAILED) throw_errno(e, "cannot map " + path.string());
    data_ = static_cast<const uint8_t*>(p);
    if (is_sealed(bytes())) unseal(path);
  } else {
    ::close(fd);
  }
}
void MappedFile::unseal(const fs::path& path) {
  const auto sealed = bytes();
  data_ = nullptr;
  size_ = 0;
  const auto unmap = [&] { ::munmap(const_cast<uint8_t*>(sealed.data()), sealed.size()); };
  try {
    std::tie(data_, size_) = seal_detail::unseal_to_memory(sealed, path.string());
  } catch (...) {
    unmap();
    throw;
  }
  unmap();
}
MappedFile::MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
  other.size_ = 0;
}
MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace likeness
