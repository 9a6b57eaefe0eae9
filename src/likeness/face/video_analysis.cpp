// SPDX-License-Identifier: Apache-2.0
// The pipeline over a clip: decode | prepare and detect | track (the caller's thread) | quality,
// identity and the visitor. Stages hand frames on in order, so the result does not depend on
// timing.
#include "likeness/face/video_analysis.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/face/finish.h"
#include "likeness/face/prepare.h"
#include "likeness/face/tracker.h"

namespace likeness::face {
namespace {

/// A thread whose exception is kept and shown to the others.
class Stage {
 public:
  template <typename Body, typename OnEnd>
  Stage(Body body, OnEnd on_end)
      : thread_([this, body, on_end] {
          flush_denormals();
          try {
            body();
          } catch (...) {
            error_ = std::current_exception();
          }
          on_end();
        }) {}
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  ~Stage() { join(); }
  std::exception_ptr error() const { return error_; }  ///< after join()

 private:
  std::exception_ptr error_;
  std::thread thread_;
};

class Pipeline {
 public:
  Pipeline(const FaceNets& nets, const AnalysisOptions& options, const FrameVisitor& visitor,
           Progress& progress, ClipAnalysis& out)
      : nets_(nets),
        options_(options),
        progress_(progress),
        finisher_(nets, options, visitor, out) {}

  /// `next` gives the frames; it is called from one thread.
  void run(const std::function<std::optional<media::Frame>()>& next, int held_frames,
           const Cancel& cancel) {
    Stage decode(
        [&] {
          while (auto frame = next())
            if (!decoded_.push(std::move(*frame))) break;
        },
        [&] { decoded_.close(); });
    Stage prepare([&] { prepare_all(); }, [&] { decoded_.close(), prepared_.close(); });
    Stage finish(
        [&] {
          while (auto frame = tracked_.pop()) {
            finisher_.take(*frame);
            progress_.advance();
          }
        },
        [&] { tracked_.close(); });
    std::exception_ptr error;
    try {
      track(held_frames, cancel);
    } catch (...) {
      error = std::current_exception();
    }
    if (error) decoded_.close(), prepared_.close();
    tracked_.close();
    finish.join();
    // When the last stage fell over, the first ones may be waiting for room.
    decoded_.close(), prepared_.close();
    decode.join(), prepare.join();
    for (const auto& e : {decode.error(), prepare.error(), error, finish.error()})
      if (e) std::rethrow_exception(e);
  }

  const std::vector<Motion>& motions() const { return finisher_.motions(); }

 private:
  // One frame behind the decoder: what comes after tells a cut from fast motion.
  void prepare_all() {
    SceneCuts cuts(static_cast<float>(options_.scene_threshold));
    std::shared_ptr<PreparedFrame> waiting;
    while (auto frame = decoded_.pop()) {
      auto now = prepare_frame(std::move(*frame), nets_, options_);
      const bool began = cuts.add(now->signature);
      if (waiting) {
        waiting->scene_begins = began;
        if (!prepared_.push(std::move(waiting))) return;
      }
      waiting = std::move(now);
    }
    if (!waiting) return;
    waiting->scene_begins = cuts.last();
    prepared_.push(std::move(waiting));
  }

  void track(int held_frames, const Cancel& cancel) {
    flush_denormals();
    Tracker tracker(finder_of(nets_, options_), options_, held_frames);
    const auto hand_on = [&](std::vector<TrackedFrame> frames) {
      for (TrackedFrame& frame : frames)
        if (!tracked_.push(std::move(frame))) return false;
      return true;
    };
    while (auto frame = prepared_.pop()) {
      cancel.check();
      if (!hand_on(tracker.add(std::move(*frame)))) return;
    }
    hand_on(tracker.flush());
  }

  const FaceNets& nets_;
  const AnalysisOptions& options_;
  Progress& progress_;
  Finisher finisher_;
  BoundedQueue<media::Frame> decoded_{2};
  BoundedQueue<PreparedPtr> prepared_{3};
  BoundedQueue<TrackedFrame> tracked_{3};
};

}  // namespace

ClipAnalysis analyse_clip(const std::filesystem::path& path, const FaceNets& nets,
                          const AnalysisOptions& options, Progress& progress, const Cancel& cancel,
                          const FrameVisitor& visitor, const ClipRange& range) {
  ClipAnalysis out;
  media::VideoReader reader(path);
  out.info = reader.info();
  out.first_frame = range.first;
  const int64_t whole = std::max<int64_t>(0, out.info.frame_count - range.first);
  progress.begin("analyse " + path.filename().string(),
                 static_cast<double>(range.count < 0 ? whole : std::min(whole, range.count)),
                 "frames");
  // Growing by doubling would hold the faces of a film three times; untouched memory costs nothing.
  out.faces.reserve(static_cast<size_t>(
      std::min<int64_t>(range.count < 0 ? whole : std::min(whole, range.count), 1 << 18)));
  if (range.first > 0) reader.seek(range.first);
  const auto next = [&]() -> std::optional<media::Frame> {
    if (range.count >= 0 && out.frames >= range.count) return std::nullopt;
    auto frame = reader.next();
    if (frame) ++out.frames;
    return frame;
  };
  Pipeline pipeline(nets, options, visitor, progress, out);
  pipeline.run(next, frames_to_hold(out.info, options), cancel);
  out.damage = reader.damage();
  finish_analysis(out, pipeline.motions(), options);
  progress.end();
  return out;
}

ClipAnalysis analyse_photos(const std::vector<std::filesystem::path>& photos, const FaceNets& nets,
                            const AnalysisOptions& options, Progress& progress,
                            const Cancel& cancel, const FrameVisitor& visitor) {
  ClipAnalysis out;
  AnalysisOptions stills = options;
  stills.detect_every = 1, stills.embed_every = 1;
  stills.smooth = 0;
  stills.scene_threshold = -1;  // every picture is a cut
  progress.begin("analyse photos", static_cast<double>(photos.size()), "photos");
  size_t at = 0;
  const auto next = [&]() -> std::optional<media::Frame> {
    while (at < photos.size()) {
      const size_t i = at++;
      try {
        const Image8 image = media::read_image(photos[i]);
        ++out.frames;
        if (out.info.width == 0) out.info = media::probe(photos[i]);
        return media::Frame::from_rgb8(image, static_cast<FrameIndex>(i), {1, 1});
      } catch (const Error& error) {
        out.damage.push_back({static_cast<double>(i), static_cast<FrameIndex>(i),
                              photos[i].filename().string() + ": " + error.what()});
      }
    }
    return std::nullopt;
  };
  Pipeline pipeline(nets, stills, visitor, progress, out);
  pipeline.run(next, 1, cancel);
  finish_analysis(out, {}, stills);
  progress.end();
  return out;
}

}  // namespace likeness::face
