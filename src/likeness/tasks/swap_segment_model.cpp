// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <set>
#include <thread>

#include <ATen/Parallel.h>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/tasks/swap_segment.h"

namespace likeness::tasks {
namespace {

using Faces = std::multimap<FrameIndex, const face::Face*>;

const face::Face* find(const Faces& faces, FrameIndex frame, int track) {
  auto [from, to] = faces.equal_range(frame);
  for (auto it = from; it != to; ++it)
    if (it->second->track == track) return it->second;
  return nullptr;
}

Point2 middle(const face::Face& f) {
  Point2 sum;
  for (int i = 0; i < face::kMeshPoints; ++i)
    sum = sum + Point2{f.points[static_cast<size_t>(i)].x, f.points[static_cast<size_t>(i)].y};
  return sum * (1.0f / face::kMeshPoints);
}

Point2 motion_of(const Faces& faces, const face::Face& f) {
  return face_motion(find(faces, f.frame - 1, f.track), f, find(faces, f.frame + 1, f.track));
}

enum class Outcome { kSwapped, kNoFace, kOtherFace, kFailed };
struct Rendered {
  media::Frame frame;
  Outcome outcome = Outcome::kNoFace;
  std::string why;
};

Rendered render_one(const media::Frame& in, const Segment& segment, const Faces& faces) {
  Rendered out{in, Outcome::kNoFace, ""};
  try {
    auto [from, to] = faces.equal_range(in.index);
    if (from == to) return out;
    out.outcome = Outcome::kOtherFace;
    for (const auto& [renderer, tracks] : segment.layers) {
      std::vector<swap::Target> targets;
      for (auto it = from; it != to; ++it)
        for (int track : tracks)
          if (track == it->second->track)
            targets.push_back({*it->second, motion_of(faces, *it->second)});
      if (targets.empty()) continue;
      renderer->render(out.frame, targets, segment.polygons);
      out.outcome = Outcome::kSwapped;
    }
  } catch (const std::exception& e) {  // whatever it is, one bad frame never stops the job
    out = {in, Outcome::kFailed, e.what()};
  }
  return out;
}

void count(SegmentCounts& counts, const Rendered& r) {
  ++counts.frames;
  switch (r.outcome) {
    case Outcome::kSwapped:
      ++counts.swapped;
      break;
    case Outcome::kNoFace:
      ++counts.no_face;
      break;
    case Outcome::kOtherFace:
      ++counts.other_face;
      break;
    case Outcome::kFailed:
      ++counts.failed;
      if (counts.failures.size() < 20)
        counts.failures.push_back({{"frame", r.frame.index}, {"why", r.why}});
  }
}

/// Runs `body` in a thread; join() rethrows what it threw.
class Worker {
 public:
  explicit Worker(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          flush_denormals();
          try {
            body();
          } catch (...) {
            error_ = std::current_exception();
          }
        }) {}
  ~Worker() {
    if (thread_.joinable()) thread_.join();
  }
  void join() {
    thread_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
  std::thread thread_;
};

/// Closes both queues however the scope is left, so that no thread waits for ever.
struct CloseBoth {
  BoundedQueue<media::Frame>& in;
  BoundedQueue<Rendered>& out;
  ~CloseBoth() {
    in.close();
    out.close();
  }
};

}  // namespace

Point2 face_motion(const face::Face* before, const face::Face& here, const face::Face* after) {
  if (before && after) return (middle(*after) - middle(*before)) * 0.5f;
  if (after) return middle(*after) - middle(here);
  if (before) return middle(here) - middle(*before);
  return {};
}

SegmentCounts render_segment(const Segment& segment,
                             const std::function<void(const media::Frame&)>& write,
                             Progress& progress, const Cancel& cancel) {
  at::set_num_threads(1);  // the frames are what runs in parallel
  Faces faces;
  for (const auto& f : segment.faces) faces.emplace(f.frame, &f);
  media::VideoReader reader(segment.source);
  if (segment.begin > 0) reader.seek(segment.begin);
  const size_t width = static_cast<size_t>(thread_count());
  BoundedQueue<media::Frame> decoded(2 * width);
  BoundedQueue<Rendered> rendered(2 * width);
  SegmentCounts counts;

  Worker decode([&] {
    struct Close {
      BoundedQueue<media::Frame>& q;
      ~Close() { q.close(); }
    } close{decoded};
    while (auto frame = reader.next()) {
      if (frame->index >= segment.end) break;
      if (!decoded.push(std::move(*frame))) break;
    }
  });
  Worker encode([&] {
    struct Close {
      BoundedQueue<Rendered>& q;
      ~Close() { q.close(); }
    } close{rendered};
    while (auto r = rendered.pop()) {
      write(r->frame);
      count(counts, *r);
      progress.advance();
    }
  });
  bool stopped = false;
  {
    CloseBoth close{decoded, rendered};
    std::vector<media::Frame> batch;
    for (bool more = true; more && !stopped;) {
      batch.clear();
      while (batch.size() < width) {
        auto frame = decoded.pop();
        if (!(more = frame.has_value())) break;
        batch.push_back(std::move(*frame));
      }
      std::vector<Rendered> done(batch.size());
      parallel_for(0, static_cast<int>(batch.size()), [&](int i) {
        done[static_cast<size_t>(i)] = render_one(batch[static_cast<size_t>(i)], segment, faces);
      });
      for (auto& r : done) stopped = stopped || !rendered.push(std::move(r));
      stopped = stopped || cancel.requested();
    }
  }
  decode.join();
  encode.join();
  cancel.check();
  for (const auto& d : reader.damage())
    counts.damage.push_back({{"time_s", d.time_s}, {"frame", d.frame}, {"what", d.what}});
  return counts;
}

}  // namespace likeness::tasks
