// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/contact_sheet.h"

#include <algorithm>
#include <set>
#include <string>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/compose/compose.h"
#include "likeness/evaluate/lockstep.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {
namespace {

constexpr int kGap = 6, kHeader = 30;
constexpr uint8_t kPaper = 24, kInk = 235;

Image8 scaled(const Image8& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  return to_uint8(compose::resize(to_float(image), width, height));
}

Image8 difference(const Image8& a, const Image8& b, int gain) {
  Image8 out(a.width, a.height, 3);
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = static_cast<uint8_t>(std::clamp(128 + gain * (a.data[i] - b.data[i]), 0, 255));
  return out;
}

void paste(Image8& sheet, const Image8& tile, int x0, int y0) {
  for (int y = 0; y < tile.height; ++y)
    std::copy_n(tile.row(y), static_cast<size_t>(tile.width) * 3, &sheet.at(x0, y0 + y));
}

void write_text(Image8& sheet, const std::string& text, int x, int baseline, double size) {
  cv::Mat view(sheet.height, sheet.width, CV_8UC3, sheet.data.data());
  const auto paper = cv::Scalar::all(kPaper), ink = cv::Scalar::all(kInk);
  cv::putText(view, text, {x, baseline}, cv::FONT_HERSHEY_SIMPLEX, size, paper, 3, cv::LINE_AA);
  cv::putText(view, text, {x, baseline}, cv::FONT_HERSHEY_SIMPLEX, size, ink, 1, cv::LINE_AA);
}

}  // namespace

std::vector<int64_t> choose_frames(int64_t frames, int count, const std::vector<int64_t>& also) {
  std::set<int64_t> chosen;
  for (int64_t f : also)
    if (f >= 0 && f < frames && static_cast<int>(chosen.size()) < count) chosen.insert(f);
  // Middles of equal parts; a place that is taken already moves on to the next free frame.
  const int rest =
      static_cast<int>(std::min<int64_t>(count, frames)) - static_cast<int>(chosen.size());
  for (int k = 0; k < rest; ++k) {
    int64_t f = (2 * k + 1) * frames / (2 * rest);
    while (chosen.count(f)) f = (f + 1) % frames;
    chosen.insert(f);
  }
  return {chosen.begin(), chosen.end()};
}

Image8 contact_sheet(const Inputs& inputs, std::vector<int64_t> frames, int tile_px) {
  Lockstep videos({inputs.result, inputs.target, inputs.truth, {}});
  std::sort(frames.begin(), frames.end());
  std::erase_if(frames, [&](int64_t f) { return f < 0 || f >= videos.frames(); });
  if (frames.empty() || tile_px < 16 || tile_px > 4096)
    throw Error(ErrorCode::kUsage, "the contact sheet would be empty",
                "name frames that the clip has");
  const auto& info = videos.target_info();
  const int tile_w = std::max(1, tile_px * info.width / info.height);
  std::vector<std::string> titles = {"target", "result"};
  if (!inputs.truth.empty()) titles.push_back("truth");
  titles.push_back(inputs.truth.empty() ? "result - target, x4" : "result - truth, x4");
  const int columns = static_cast<int>(titles.size()), rows = static_cast<int>(frames.size());
  Image8 sheet(kGap + columns * (tile_w + kGap), kHeader + rows * (tile_px + kGap), 3, kPaper);
  for (int c = 0; c < columns; ++c)
    write_text(sheet, titles[c], kGap + c * (tile_w + kGap) + 2, kHeader - 10, 0.55);
  for (int r = 0; r < rows; ++r) {
    videos.seek(frames[r]);
    const std::vector<FrameSet> sets = videos.next(1);
    if (sets.empty()) break;
    const FrameSet& s = sets[0];
    std::vector<const Image8*> tiles = {&s.target, &s.result};
    if (!s.truth.empty()) tiles.push_back(&s.truth);
    const Image8 error = difference(s.result, s.truth.empty() ? s.target : s.truth, 4);
    tiles.push_back(&error);
    const int y = kHeader + r * (tile_px + kGap);
    for (int c = 0; c < columns; ++c)
      paste(sheet, scaled(*tiles[c], tile_w, tile_px), kGap + c * (tile_w + kGap), y);
    write_text(sheet, std::to_string(frames[r]), kGap + 5, y + tile_px - 8, 0.5);
  }
  return sheet;
}

namespace {

// 4:2:0 is what every player opens.
void use_420(auto& options) {
  if constexpr (requires { options.chroma; }) options.chroma = "420";
}

}  // namespace

void side_by_side(const Inputs& inputs, const OpenVideo& open, Progress& progress,
                  const Cancel& cancel, int height_px) {
  Lockstep videos({inputs.result, inputs.target, inputs.truth, {}});
  media::VideoInfo info = videos.target_info();
  const int height = (height_px > 0 ? height_px : info.height) & ~1;
  const int width = std::max(2, height * info.width / std::max(1, info.height) & ~1);
  if (height < 2)
    throw Error(ErrorCode::kBadInput, "the video is too small", "use one of at least 2x2 pixels");
  const int columns = inputs.truth.empty() ? 2 : 3;
  info.width = width * columns;
  info.height = height;
  media::WriterOptions options;
  use_420(options);
  const VideoSink sink = open(info, options, info.has_audio ? inputs.target : "");
  progress.begin("side by side", static_cast<double>(videos.frames()), "frames");
  for (auto sets = videos.next(1); !sets.empty(); sets = videos.next(1)) {
    cancel.check();
    const FrameSet& s = sets[0];
    Image8 row(info.width, height, 3);
    paste(row, scaled(s.target, width, height), 0, 0);
    paste(row, scaled(s.result, width, height), width, 0);
    if (columns == 3) paste(row, scaled(s.truth, width, height), 2 * width, 0);
    sink.write(media::Frame::from_rgb8(row, s.index, info.frame_rate));
    progress.advance(1);
  }
  progress.end();
  sink.finish();
}

}  // namespace likeness::evaluate
