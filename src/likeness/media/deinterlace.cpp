// SPDX-License-Identifier: Apache-2.0
#include "likeness/media/deinterlace.h"

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
}

namespace likeness::media {

Deinterlacer::Deinterlacer(const AVFrame& like, AVRational time_base, int threads) {
  graph_ = avfilter_graph_alloc();
  if (!graph_) throw_av(AVERROR(ENOMEM), "no memory for the deinterlacer");
  graph_->nb_threads = threads;
  char arguments[160];
  snprintf(arguments, sizeof arguments,
           "video_size=%dx%d:pix_fmt=%d:time_base=%d/%d:pixel_aspect=%d/%d", like.width,
           like.height, like.format, time_base.num, time_base.den, like.sample_aspect_ratio.num,
           like.sample_aspect_ratio.den > 0 ? like.sample_aspect_ratio.den : 1);
  AVFilterContext* filter = nullptr;
  const char* what = "starting the deinterlacer";
  try {
    check_av(avfilter_graph_create_filter(&source_, avfilter_get_by_name("buffer"), "in", arguments,
                                          nullptr, graph_),
             what);
    check_av(avfilter_graph_create_filter(&filter, avfilter_get_by_name("bwdif"), "bwdif",
                                          "mode=send_frame:parity=auto:deint=interlaced", nullptr,
                                          graph_),
             what);
    check_av(avfilter_graph_create_filter(&sink_, avfilter_get_by_name("buffersink"), "out",
                                          nullptr, nullptr, graph_),
             what);
    check_av(avfilter_link(source_, 0, filter, 0), what);
    check_av(avfilter_link(filter, 0, sink_, 0), what);
    check_av(avfilter_graph_config(graph_, nullptr), what);
  } catch (...) {
    avfilter_graph_free(&graph_);
    throw;
  }
}

Deinterlacer::~Deinterlacer() { avfilter_graph_free(&graph_); }

void Deinterlacer::push(const AVFrame& frame) {
  FramePtr copy = reference(&frame);
  check_av(av_buffersrc_add_frame(source_, copy.get()), "deinterlacing");
}

void Deinterlacer::push_end() {
  check_av(av_buffersrc_add_frame(source_, nullptr), "deinterlacing");
}

FramePtr Deinterlacer::pull() {
  FramePtr out = make_frame();
  int error = av_buffersink_get_frame(sink_, out.get());
  if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return nullptr;
  check_av(error, "deinterlacing");
  out->interlaced_frame = 0;
  return out;
}

}  // namespace likeness::media
