// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: a folder of numbered images, made under a temporary name.
#pragma once

#include <filesystem>
#include <string>

#include "likeness/media/video.h"

namespace likeness::media {

/// File contents for an extension (".png"). Throws kUnsupported.
std::string encode_image(const std::string& extension, const Image8& image);
std::string encode_image16(const std::string& extension, const ImageF& image);

class ImageFolderWriter {
 public:
  /// kind: png (8 bit) or tiff (16 bit). An existing folder is replaced if it holds nothing but
  /// such images; else throws kUsage.
  ImageFolderWriter(const std::filesystem::path& folder, const std::string& kind);
  ~ImageFolderWriter();
  ImageFolderWriter(const ImageFolderWriter&) = delete;
  ImageFolderWriter& operator=(const ImageFolderWriter&) = delete;
  void write(const Frame& frame);
  /// Takes over an image file that already has the right format.
  void add_copy(const std::filesystem::path& image);
  void finish();

 private:
  std::filesystem::path next_name();
  std::filesystem::path folder_, temporary_;
  std::string kind_;
  int64_t count_ = 0;
  bool finished_ = false;
};

}  // namespace likeness::media
