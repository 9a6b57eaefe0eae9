// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>

#include "likeness/trust/finish.h"
#include "likeness/trust/label.h"
#include "likeness/trust/watermark_still.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {

bool can_carry_watermark(const std::string& kind, int width, int height) {
  if (kind == "image") return still_watermark_fits(width, height);
  return kind == "video" && VideoWatermarker::fits(width, height);
}

struct OutputVideo::Impl {
  VisibleLabel label;
  std::optional<VideoWatermarker> marker;
  uint32_t still = 0;  ///< id for a picture alone, 0 for everything that has a time
  media::VideoWriter writer;
  std::chrono::duration<double> mark{0};
};

OutputVideo::OutputVideo(const Grant& grant, uint64_t watermark, const std::filesystem::path& path,
                         const media::VideoInfo& like, const media::WriterOptions& options,
                         const std::string& label)
    : impl_(new Impl{VisibleLabel(label, like.width, like.height),
                     std::nullopt,
                     0,
                     media::VideoWriter(path, like, options),
                     {}}) {
  (void)grant;
  // A still that becomes a picture: the video's mark needs seconds to be read.
  if (watermark && like.is_still && !like.is_image_sequence &&
      (options.codec == "png" || options.codec == "tiff") &&
      can_carry_watermark("image", like.width, like.height))
    impl_->still = still_id(watermark);
  else if (watermark && can_carry_watermark("video", like.width, like.height))
    impl_->marker.emplace(watermark, WatermarkKey::product(), like.width, like.height);
}
OutputVideo::OutputVideo(OutputVideo&&) noexcept = default;
OutputVideo::~OutputVideo() = default;
void OutputVideo::copy_audio_from(const std::filesystem::path& source, double start_s) {
  impl_->writer.copy_audio_from(source, start_s);
}
void OutputVideo::write(const media::Frame& frame) {
  media::Frame marked = frame;  // shares pixels until something goes in
  if (impl_->label.shows(frame.time.value())) impl_->label.draw(marked);
  if (impl_->still) {
    ImageF rgb = marked.rgb_float();
    embed_still_watermark(rgb, impl_->still);
    marked.blend_rgb({0, 0, rgb.width, rgb.height}, rgb, ImageF(rgb.width, rgb.height, 1, 1.0f));
    return impl_->writer.write(marked);
  }
  if (!impl_->marker) return impl_->writer.write(marked);
  // Of the frame's own time, not of its place in this segment: any split gives the same mark.
  const auto began = std::chrono::steady_clock::now();
  impl_->marker->embed(marked, frame.time.value());
  impl_->mark += std::chrono::steady_clock::now() - began;
  impl_->writer.write(marked);
}
double OutputVideo::mark_s() const { return impl_->mark.count(); }
void OutputVideo::finish() { impl_->writer.finish(); }
const std::string& OutputVideo::encoder_name() const { return impl_->writer.encoder_name(); }

void write_output_image(const Grant&, uint64_t watermark, const std::filesystem::path& path,
                        const Image8& image) {
  if (!watermark || !can_carry_watermark("image", image.width, image.height))
    return media::write_image(path, image);
  Image8 marked = image;
  embed_still_watermark(marked, still_id(watermark));
  media::write_image(path, marked);
}

}  // namespace likeness::trust
