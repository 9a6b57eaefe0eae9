// SPDX-License-Identifier: Apache-2.0
// Whole pictures in and out. OpenCV writes (its PNG is several times faster than FFmpeg's); BGR
// stays in this file.
#include <algorithm>
#include <array>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/media/image_folder.h"
#include "likeness/media/source.h"
#include "likeness/media/video.h"

namespace fs = std::filesystem;

namespace likeness::media {
namespace {

std::string lower_extension(const fs::path& path) {
  std::string e = path.extension().string();
  std::transform(e.begin(), e.end(), e.begin(), [](unsigned char c) { return std::tolower(c); });
  return e;
}

std::string encode(const std::string& extension, const cv::Mat& bgr,
                   const std::vector<int>& parameters) {
  std::vector<uchar> bytes;
  try {
    if (cv::imencode(extension, bgr, bytes, parameters)) return {bytes.begin(), bytes.end()};
  } catch (const cv::Exception&) {
  }
  throw Error(ErrorCode::kUnsupported, "cannot write a picture as \"" + extension + "\"",
              "use .png, .jpg or .tiff");
}

cv::Mat bgr_of(const Image8& image) {
  LIKENESS_REQUIRE(!image.empty() && (image.channels == 3 || image.channels == 1));
  cv::Mat view(image.height, image.width, image.channels == 3 ? CV_8UC3 : CV_8UC1,
               const_cast<uint8_t*>(image.data.data()));
  if (image.channels == 1) return view;
  cv::Mat bgr;
  cv::cvtColor(view, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

constexpr int kPngLevel = 1;

}  // namespace

bool is_image_path(const fs::path& path) {
  static constexpr std::array kExtensions = {".png",  ".jpg", ".jpeg", ".jpe", ".tif",
                                             ".tiff", ".bmp", ".webp", ".exr", ".dpx",
                                             ".tga",  ".ppm", ".pgm",  ".jp2", ".pnm"};
  std::string e = lower_extension(path);
  return std::any_of(kExtensions.begin(), kExtensions.end(), [&](const char* x) { return e == x; });
}

std::vector<fs::path> list_media(const fs::path& folder) {
  static constexpr std::array kVideo = {".mp4", ".mov",  ".m4v", ".mkv", ".webm", ".avi",
                                        ".mpg", ".mpeg", ".m2v", ".ts",  ".mts",  ".m2ts",
                                        ".mxf", ".wmv",  ".flv", ".gif", ".3gp",  ".ogv",
                                        ".vob", ".y4m",  ".nut", ".dv",  ".h264", ".hevc"};
  std::error_code ec;
  fs::directory_iterator entries(folder, ec);
  if (ec)
    throw Error(fs::exists(folder) ? ErrorCode::kIo : ErrorCode::kNotFound,
                "cannot read folder " + folder.string() + ": " + ec.message(), "check the path");
  std::vector<fs::path> out;
  for (const auto& entry : entries) {
    const fs::path& path = entry.path();
    if (!entry.is_regular_file(ec) || path.filename().string().starts_with(".")) continue;
    std::string e = lower_extension(path);
    bool video = std::any_of(kVideo.begin(), kVideo.end(), [&](const char* x) { return e == x; });
    if (video || is_image_path(path)) out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Image8 read_image(const fs::path& path) {
  LogCapture capture;
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, path.string() + " does not exist", "check the path");
  if (!fs::is_regular_file(path, ec))
    throw Error(ErrorCode::kBadInput, path.string() + " is not a file", "name an image file");
  if (fs::file_size(path, ec) == 0)
    throw Error(ErrorCode::kBadInput, path.string() + " is empty (0 bytes)", "copy the file again");
  Frame frame;
  frame.set_native(std::shared_ptr<AVFrame>(decode_still(path, capture)));
  return frame.rgb8();
}

std::string encode_image(const std::string& extension, const Image8& image) {
  std::vector<int> parameters;
  if (extension == ".jpg" || extension == ".jpeg") parameters = {cv::IMWRITE_JPEG_QUALITY, 95};
  if (extension == ".png") parameters = {cv::IMWRITE_PNG_COMPRESSION, kPngLevel};
  return encode(extension, bgr_of(image), parameters);
}

std::string encode_image16(const std::string& extension, const ImageF& image) {
  LIKENESS_REQUIRE(!image.empty() && (image.channels == 3 || image.channels == 1));
  cv::Mat out(image.height, image.width, image.channels == 3 ? CV_16UC3 : CV_16UC1);
  for (int y = 0; y < image.height; ++y) {
    const float* in = image.row(y);
    auto* line = out.ptr<uint16_t>(y);
    for (int i = 0; i < image.width * image.channels; ++i) {
      float v = std::clamp(in[i], 0.0f, 1.0f) * 65535.0f + 0.5f;
      int at = image.channels == 3 ? i + 2 - 2 * (i % 3) : i;  // RGB -> BGR
      line[at] = static_cast<uint16_t>(v);
    }
  }
  return encode(extension, out, {});
}

void write_image(const fs::path& path, const Image8& image) {
  write_file_atomic(path, encode_image(lower_extension(path), image));
}

void write_image16(const fs::path& path, const ImageF& image) {
  write_file_atomic(path, encode_image16(lower_extension(path), image));
}

std::string encode_jpeg(const Image8& image, int quality) {
  LIKENESS_REQUIRE(quality >= 0 && quality <= 100);
  return encode(".jpg", bgr_of(image), {cv::IMWRITE_JPEG_QUALITY, quality});
}

std::string encode_png(const Image8& image) { return encode_image(".png", image); }

Image8 decode_image(const void* data, size_t size) {
  cv::Mat bgr;
  if (size > 0 && size < (1u << 30)) {
    cv::Mat bytes(1, static_cast<int>(size), CV_8UC1, const_cast<void*>(data));
    try {
      bgr = cv::imdecode(bytes, cv::IMREAD_COLOR);
    } catch (const cv::Exception&) {
    }
  }
  if (bgr.empty() || bgr.type() != CV_8UC3)
    throw Error(ErrorCode::kDamaged,
                "a picture of " + std::to_string(size) + " bytes cannot be decoded",
                "make the file that holds it again");
  Image8 out(bgr.cols, bgr.rows, 3);
  cv::cvtColor(bgr, cv::Mat(out.height, out.width, CV_8UC3, out.data.data()), cv::COLOR_BGR2RGB);
  return out;
}

}  // namespace likeness::media
