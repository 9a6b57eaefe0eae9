// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/image_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

bool only_numbered_images(const fs::path& folder, const std::string& extension) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    std::string stem = entry.path().stem().string();
    bool digits = stem.size() == 8 && std::all_of(stem.begin(), stem.end(),
                                                  [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || entry.path().extension() != extension || !entry.is_regular_file(ec))
      return false;
  }
  return !ec;
}

void sync_files_of(const fs::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno(errno, "cannot write " + folder.string());
  int failed = ::syncfs(fd);
  int error = errno;
  ::close(fd);
  if (failed) throw_errno(error, "cannot write " + folder.string());
}

}  // namespace

ImageFolderWriter::ImageFolderWriter(const fs::path& folder, const std::string& kind)
    : folder_(folder.has_filename() ? folder : folder.parent_path()), kind_(kind) {
  std::error_code ec;
  bool exists = fs::exists(folder_, ec);
  if (exists && (!fs::is_directory(folder_, ec) || !only_numbered_images(folder_, "." + kind_)))
    throw Error(ErrorCode::kUsage,
                folder_.string() + " exists and holds other things than numbered images",
                "name a new folder for the images");
  temporary_ = temporary_name(folder_);
  fs::remove_all(temporary_, ec);
  fs::create_directories(temporary_, ec);
  if (ec) throw_errno(ec.value(), "cannot make folder " + temporary_.string());
}

ImageFolderWriter::~ImageFolderWriter() {
  std::error_code ec;
  if (!finished_) fs::remove_all(temporary_, ec);
}

fs::path ImageFolderWriter::next_name() {
  char name[32];
  snprintf(name, sizeof name, "%08lld.%s", static_cast<long long>(count_++), kind_.c_str());
  return temporary_ / name;
}

void ImageFolderWriter::write(const Frame& frame) {
  LIKENESS_REQUIRE(!frame.empty());
  std::string bytes = kind_ == "tiff" ? encode_image16(".tiff", frame.rgb_float())
                                      : encode_image(".png", frame.rgb8());
  // The whole folder becomes visible at once, so one sync at the end does for all files.
  fs::path name = next_name();
  std::FILE* file = std::fopen(name.c_str(), "wb");
  if (!file) throw_errno(errno, "cannot write " + name.string());
  bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  int error = errno;
  if (std::fclose(file) != 0 || !written)
    throw_errno(error == EFBIG ? ENOSPC : error ? error : EIO, "cannot write " + name.string());
}

void ImageFolderWriter::add_copy(const fs::path& image) {
  std::error_code ec;
  fs::path to = next_name();
  fs::create_hard_link(image, to, ec);
  if (!ec) return;
  fs::copy_file(image, to, ec);
  if (ec) throw_errno(ec.value(), "cannot write " + to.string());
}

void ImageFolderWriter::finish() {
  if (count_ == 0)
    throw Error(ErrorCode::kUsage, "no frame was written to " + folder_.string(),
                "check the input and its range");
  sync_files_of(temporary_);
  std::error_code ec;
  fs::path old;
  if (fs::exists(folder_, ec)) {
    old = temporary_;
    old += ".old";
    fs::remove_all(old, ec);
    fs::rename(folder_, old, ec);
    if (ec) throw_errno(ec.value(), "cannot replace " + folder_.string());
  }
  commit_file(temporary_, folder_);
  finished_ = true;
  if (!old.empty()) fs::remove_all(old, ec);
}

}  // namespace likeness::media
