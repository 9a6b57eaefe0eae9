// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/evaluate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/compose/compose.h"
#include "likeness/evaluate/lockstep.h"
#include "likeness/evaluate/metrics.h"
#include "likeness/face/geometry.h"

namespace likeness::evaluate {
namespace {

constexpr float kSamePerson = 0.6f;
using Points68 = std::array<Point2, 68>;

/// What one frame alone tells; the temporal values need its neighbours.
struct Measured {
  FrameScore score;
  bool has_points = false;
  Points68 offset{};  ///< result - reference
  double eye_distance_px = kNotMeasured;
  std::array<double, 3> colour{kNotMeasured, kNotMeasured, kNotMeasured};  ///< result - target
  std::array<double, 3> colour_truth{kNotMeasured, kNotMeasured, kNotMeasured};  ///< result - truth
};

struct Context {
  const face::Embedding& identity;
  const face::Embedding& performer;
  const face::FaceNets& nets;
  bool has_truth, has_mask;
};

constexpr float kPresent = 0.5f;

std::vector<face::Face> faces_of(const face::FaceNets& nets, const Image8& image) {
  constexpr size_t kMost = 8;
  std::vector<face::Face> faces;
  for (const face::Detection& d : nets.detect(image)) {
    if (faces.size() >= kMost) break;
    face::Face f = nets.mesh(image, face::FaceNets::crop_of(d));
    if (f.presence >= kPresent) faces.push_back(std::move(f));
  }
  return faces;
}

/// The face nearest to the performer, with its embedding.
std::optional<face::Face> performer_face(const Context& context, const Image8& image) {
  std::optional<face::Face> best;
  float least = std::numeric_limits<float>::infinity();
  for (face::Face& f : faces_of(context.nets, image)) {
    f.embedding = context.nets.embed(image, f.points);
    f.has_embedding = true;
    const float d = face::embedding_distance(f.embedding, context.performer);
    if (d < least || !best) least = d, best = std::move(f);
  }
  return best;
}

/// The face at the place of `like` in another version of the frame; by detection when the mesh
/// loses it. Every version is read through one crop: a crop of its own would move the points by a
/// pixel.
std::optional<face::Face> face_like(const face::FaceNets& nets, const Image8& image,
                                    const face::Face& like, const face::FaceNets::Crop& crop) {
  face::Face f = nets.mesh(image, crop);
  if (f.presence >= kPresent) return f;
  std::optional<face::Face> best;
  for (face::Face& other : faces_of(nets, image))
    if (intersection_over_union(other.box, like.box) > 0.3f) best = std::move(other);
  return best;
}

ImageF hull_mask(const face::Points& points, int width, int height) {
  std::vector<Point2> outline;
  for (int i : face::face_oval()) outline.push_back({points[i].x, points[i].y});
  return compose::polygon_mask(width, height, compose::convex_hull(outline));
}

ImageF gray_mask(const Image8& image) {
  ImageF mask(image.width, image.height, 1);
  for (size_t i = 0; i < mask.data.size(); ++i) mask.data[i] = image.data[i * 3 + 1] / 255.0f;
  return mask;
}

double angle_deg(const std::array<float, 9>& a, const std::array<float, 9>& b) {
  double trace = 0;
  for (int i = 0; i < 9; ++i) trace += static_cast<double>(a[i]) * b[i];  // trace of a^T b
  return std::acos(std::clamp((trace - 1) / 2, -1.0, 1.0)) * 180 / 3.14159265358979;
}

void measure_faces(const Context& context, const FrameSet& set, const face::Face& target,
                   Measured& out) {
  FrameScore& s = out.score;
  s.target_distance_to_performer = face::embedding_distance(target.embedding, context.performer);
  const face::FaceNets::Crop crop = face::FaceNets::crop_of(target.points);
  const std::optional<face::Face> result = face_like(context.nets, set.result, target, crop);
  s.result_face = result.has_value();
  s.scored = s.swapped || s.target_distance_to_performer < kSamePerson;
  if (!result || !s.scored) return;
  const face::Embedding e = context.nets.embed(set.result, result->points);
  s.distance_to_identity = face::embedding_distance(e, context.identity);
  s.distance_to_performer = face::embedding_distance(e, context.performer);
  const std::optional<face::Face> reference =
      face_like(context.nets, context.has_truth ? set.truth : set.target, target, crop);
  if (!reference) return;
  const Points68 a = face::landmarks68(result->points), b = face::landmarks68(reference->points);
  out.eye_distance_px = face::eye_distance_px(reference->points);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    out.offset[i] = a[i] - b[i];
    sum += distance(a[i], b[i]);
  }
  out.has_points = true;
  if (out.eye_distance_px > 0)
    s.landmark_error_pct = 100 * sum / static_cast<double>(a.size()) / out.eye_distance_px;
  s.pose_error_deg = angle_deg(face::solve_pose(result->points).rotation,
                               face::solve_pose(reference->points).rotation);
}

Measured measure(const Context& context, const FrameSet& set) {
  Measured out;
  FrameScore& s = out.score;
  s.frame = set.index;
  const int w = set.target.width, h = set.target.height;
  const std::optional<face::Face> target = performer_face(context, set.target);
  s.target_face = target.has_value();

  const bool has_region = context.has_mask || target;
  ImageF region(w, h, 1), outside(w, h, 1, 1.0f);
  if (has_region) {
    region = context.has_mask ? gray_mask(set.mask) : hull_mask(target->points, w, h);
    const float grow =
        target ? 0.25f * face::eye_distance_px(target->points) : 0.02f * static_cast<float>(w);
    const ImageF grown = compose::erode_blur(region, -std::clamp(grow, 1.0f, 200.0f), 0);
    // The video coding of a mask leaves faint traces: only what is above them counts as grown
    // region.
    for (size_t i = 0; i < outside.data.size(); ++i)
      outside.data[i] = grown.data[i] > 0.1f ? 0.0f : 1.0f;
  }
  s.ssim_outside = masked_ssim(set.result, set.target, outside);
  if (has_region) {
    const double inside = block_difference(set.result, set.target, region);
    const double around = block_difference(set.result, set.target, outside);
    s.swapped = inside > 1 + 2 * (std::isnan(around) ? 0 : around);
    out.colour = masked_mean_difference(set.result, set.target, region);
    if (context.has_truth) {
      out.colour_truth = masked_mean_difference(set.result, set.truth, region);
      s.psnr_truth = psnr_of_mse(masked_mse(set.result, set.truth, region));
      s.ssim_truth = masked_ssim(set.result, set.truth, region);
      s.psnr_untouched = psnr_of_mse(masked_mse(set.target, set.truth, region));
      s.ssim_untouched = masked_ssim(set.target, set.truth, region);
    }
  }
  if (target) measure_faces(context, set, *target, out);
  return out;
}

double mean_change(const std::array<double, 3>& now, const std::array<double, 3>& before) {
  double sum = 0;
  for (int c = 0; c < 3; ++c) sum += std::fabs(now[c] - before[c]) / 3;
  return sum;
}

/// Fills in the values that need the frame before and, for jitter, the one before that.
void measure_motion(const Measured* before2, const Measured* before1, Measured& now) {
  if (before1) {
    now.score.flicker = mean_change(now.colour, before1->colour);
    now.score.flicker_truth = mean_change(now.colour_truth, before1->colour_truth);
  }
  if (!before2 || !before2->has_points || !before1->has_points || !now.has_points) return;
  double sum = 0;
  for (size_t i = 0; i < now.offset.size(); ++i) {
    const Point2 d = before2->offset[i] - before1->offset[i] * 2.0f + now.offset[i];
    sum += std::hypot(d.x, d.y);
  }
  now.score.jitter_px = sum / static_cast<double>(now.offset.size());
}

struct Mean {
  double sum = 0;
  int64_t count = 0;
  void add(double v) {
    if (!std::isfinite(v)) return;
    sum += v;
    ++count;
  }
  double value() const { return count ? sum / static_cast<double>(count) : kNotMeasured; }
};

double mean_of(const std::vector<FrameScore>& scores, double FrameScore::*field) {
  Mean mean;
  for (const FrameScore& s : scores) mean.add(s.*field);
  return mean.value();
}

std::vector<int64_t> worst_frames(const std::vector<FrameScore>& scores, int most) {
  std::vector<const FrameScore*> order;
  for (const FrameScore& s : scores)
    if (s.scored) order.push_back(&s);
  auto badness = [](const FrameScore& s) {
    if (!s.result_face) return 1e6;
    const double psnr = std::isnan(s.psnr_truth) ? 0 : s.psnr_truth;
    return s.distance_to_identity - s.distance_to_performer - 0.001 * psnr;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](auto* a, auto* b) { return badness(*a) > badness(*b); });
  std::vector<int64_t> out;
  for (size_t i = 0; i < order.size() && static_cast<int>(i) < most; ++i)
    out.push_back(order[i]->frame);
  return out;
}

void summarise(Evaluation& e, int worst) {
  int64_t closer = 0, compared = 0;
  for (const FrameScore& s : e.per_frame) {
    e.frames_swapped += s.swapped;
    e.frames_scored += s.scored;
    e.faces_missed_target += !s.target_face;
    e.faces_missed_result += s.target_face && !s.result_face;
    if (!std::isfinite(s.distance_to_identity)) continue;
    ++compared;
    closer += s.distance_to_identity < s.distance_to_performer;
  }
  e.frames = static_cast<int64_t>(e.per_frame.size());
  e.frames_passed = e.frames - e.frames_swapped;
  if (compared)
    e.closer_to_identity_pct = 100.0 * static_cast<double>(closer) / static_cast<double>(compared);
  const std::pair<double Evaluation::*, double FrameScore::*> kMeans[] = {
      {&Evaluation::distance_to_identity, &FrameScore::distance_to_identity},
      {&Evaluation::distance_to_performer, &FrameScore::distance_to_performer},
      {&Evaluation::landmark_error_pct, &FrameScore::landmark_error_pct},
      {&Evaluation::pose_error_deg, &FrameScore::pose_error_deg},
      {&Evaluation::ssim_truth, &FrameScore::ssim_truth},
      {&Evaluation::psnr_truth, &FrameScore::psnr_truth},
      {&Evaluation::ssim_outside, &FrameScore::ssim_outside},
      {&Evaluation::jitter_px, &FrameScore::jitter_px},
      {&Evaluation::flicker, &FrameScore::flicker},
      {&Evaluation::flicker_truth, &FrameScore::flicker_truth},
      {&Evaluation::psnr_untouched, &FrameScore::psnr_untouched},
      {&Evaluation::ssim_untouched, &FrameScore::ssim_untouched}};
  for (const auto& [total, field] : kMeans) e.*total = mean_of(e.per_frame, field);
  e.worst_frames = worst_frames(e.per_frame, worst);
}

/// Frames to hold at once: enough for every thread, within a quarter of a gigabyte.
int batch_size(const media::VideoInfo& info) {
  const double frame_bytes = 4.0 * 3.0 * info.width * info.height;
  return std::clamp(static_cast<int>(256e6 / frame_bytes), 1, 4 * thread_count());
}

}  // namespace

Evaluation evaluate(const Inputs& inputs, const face::Embedding& identity,
                    const face::Embedding& performer, const face::FaceNets& nets,
                    Progress& progress, const Cancel& cancel, const EvaluateOptions& options) {
  Lockstep videos(inputs);
  const Context context{identity, performer, nets, !inputs.truth.empty(), !inputs.mask.empty()};
  Evaluation e;
  e.has_truth = context.has_truth;
  e.has_mask = context.has_mask;
  e.identity_to_performer = face::embedding_distance(identity, performer);
  const int batch = batch_size(videos.target_info());
  std::vector<Measured> recent;  // the last two frames of the batch before
  Mean eyes;
  progress.begin("evaluate " + inputs.result.filename().string(),
                 static_cast<double>(videos.frames()), "frames");
  for (;;) {
    cancel.check();
    const std::vector<FrameSet> sets = videos.next(batch);
    if (sets.empty()) break;
    const size_t first = recent.size();
    recent.resize(first + sets.size());
    parallel_for(0, static_cast<int>(sets.size()), [&](int i) {
      recent[first + i] = measure(context, sets[i]);
      progress.advance(1);
    });
    for (size_t i = first; i < recent.size(); ++i) {
      measure_motion(i >= 2 ? &recent[i - 2] : nullptr, i >= 1 ? &recent[i - 1] : nullptr,
                     recent[i]);
      e.per_frame.push_back(recent[i].score);
      eyes.add(recent[i].eye_distance_px);
    }
    if (recent.size() > 2) recent.erase(recent.begin(), recent.end() - 2);
  }
  progress.end();
  if (e.per_frame.empty())
    throw Error(ErrorCode::kBadInput, "there is no frame to evaluate",
                "check that the videos can be played");
  e.eye_distance_px = eyes.value();
  summarise(e, options.worst);
  return e;
}

namespace {

/// Six significant digits: what the measurements carry, and files stay small. Not measured = null.
nlohmann::json number(double v) {
  if (!std::isfinite(v)) return nullptr;
  if (std::fabs(v) < 1e-12) return 0.0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::fabs(v))));
  return std::round(v * scale) / scale;
}

nlohmann::json per_frame_json(const std::vector<FrameScore>& scores) {
  nlohmann::json arrays = nlohmann::json::object();
  auto column = [&](const char* key, auto get) {
    nlohmann::json& list = arrays[key] = nlohmann::json::array();
    for (const FrameScore& s : scores) list.push_back(get(s));
  };
  column("swapped", [](const FrameScore& s) { return s.swapped; });
  column("scored", [](const FrameScore& s) { return s.scored; });
  column("result_face", [](const FrameScore& s) { return s.result_face; });
  const std::pair<const char*, double FrameScore::*> kColumns[] = {
      {"distance_to_identity", &FrameScore::distance_to_identity},
      {"distance_to_performer", &FrameScore::distance_to_performer},
      {"target_distance_to_performer", &FrameScore::target_distance_to_performer},
      {"landmark_error_pct", &FrameScore::landmark_error_pct},
      {"pose_error_deg", &FrameScore::pose_error_deg},
      {"psnr_truth", &FrameScore::psnr_truth},
      {"ssim_truth", &FrameScore::ssim_truth},
      {"psnr_untouched", &FrameScore::psnr_untouched},
      {"ssim_outside", &FrameScore::ssim_outside},
      {"jitter_px", &FrameScore::jitter_px},
      {"flicker", &FrameScore::flicker}};
  for (const auto& [key, field] : kColumns) {
    bool any = false;
    for (const FrameScore& s : scores) any = any || std::isfinite(s.*field);
    if (any) column(key, [field = field](const FrameScore& s) { return number(s.*field); });
  }
  return arrays;
}

}  // namespace

nlohmann::json Evaluation::to_json(bool with_per_frame) const {
  nlohmann::json j = {{"frames", frames},
                      {"frames_swapped", frames_swapped},
                      {"frames_passed", frames_passed},
                      {"frames_scored", frames_scored},
                      {"faces_missed_target", faces_missed_target},
                      {"faces_missed_result", faces_missed_result},
                      {"has_truth", has_truth},
                      {"has_mask", has_mask},
                      {"worst_frames", worst_frames}};
  const std::pair<const char*, double> kValues[] = {
      {"distance_to_identity", distance_to_identity},
      {"distance_to_performer", distance_to_performer},
      {"closer_to_identity_pct", closer_to_identity_pct},
      {"landmark_error_pct", landmark_error_pct},
      {"pose_error_deg", pose_error_deg},
      {"ssim_truth", ssim_truth},
      {"psnr_truth", psnr_truth},
      {"ssim_outside", ssim_outside},
      {"jitter_px", jitter_px},
      {"flicker", flicker},
      {"flicker_truth", flicker_truth},
      {"psnr_untouched", psnr_untouched},
      {"ssim_untouched", ssim_untouched},
      {"identity_to_performer", identity_to_performer},
      {"eye_distance_px", eye_distance_px}};
  for (const auto& [key, value] : kValues) j[key] = number(value);
  if (!with_per_frame) return j;
  j["per_frame"] = per_frame_json(per_frame);
  return j;
}

}  // namespace likeness::evaluate
