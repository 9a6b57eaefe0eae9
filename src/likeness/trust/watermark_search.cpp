// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/watermark_search.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/trust/fec.h"

namespace likeness::trust {
namespace {

constexpr size_t kKept = 16;  ///< candidates that are refined

int wrap(int64_t i, int side) { return static_cast<int>(((i % side) + side) % side); }

void keep(std::vector<GridPose>& best, const GridPose& pose, size_t count) {
  if (best.size() == count && pose.score <= best.back().score) return;
  const auto at =
      std::upper_bound(best.begin(), best.end(), pose,
                       [](const GridPose& a, const GridPose& b) { return a.score > b.score; });
  best.insert(at, pose);
  if (best.size() > count) best.pop_back();
}

}  // namespace

float sample(const cv::Mat& picture, cv::Point2f at) {
  const float x = std::clamp(at.x, 0.0f, static_cast<float>(picture.cols - 1));
  const float y = std::clamp(at.y, 0.0f, static_cast<float>(picture.rows - 1));
  const int i = std::min(static_cast<int>(x), picture.cols - 2);
  const int j = std::min(static_cast<int>(y), picture.rows - 2);
  const float u = x - static_cast<float>(i), v = y - static_cast<float>(j);
  const float *p = picture.ptr<float>(j) + i, *q = picture.ptr<float>(j + 1) + i;
  return (1 - v) * (p[0] + u * (p[1] - p[0])) + v * (q[0] + u * (q[1] - q[0]));
}

ChipSamples chips_of_pose(const ChipPlan& plan, const GridPose& pose, double chips, int width,
                          int height, cv::Size evidence) {
  const double step = pose.scale * chip_pitch_px(width, height, chips);
  const double c = std::cos(pose.rotation_rad) * step, s = std::sin(pose.rotation_rad) * step;
  const double mirror = pose.mirrored ? -1 : 1;
  const double cx = width / 2.0 + pose.offset_x_px, cy = height / 2.0 + pose.offset_y_px;
  // Chip coordinates of the corners bound the loop.
  double low_i = 1e9, high_i = -1e9, low_j = 1e9, high_j = -1e9;
  for (double x : {0.0, static_cast<double>(width)})
    for (double y : {0.0, static_cast<double>(height)}) {
      const double dx = x - cx, dy = y - cy;
      const double i = mirror * (c * dx + s * dy) / (step * step),
                   j = (-s * dx + c * dy) / (step * step);
      low_i = std::min(low_i, i), high_i = std::max(high_i, i);
      low_j = std::min(low_j, j), high_j = std::max(high_j, j);
    }
  const double to_x = static_cast<double>(evidence.width) / width,
               to_y = static_cast<double>(evidence.height) / height;
  ChipSamples out;
  for (int j = static_cast<int>(std::floor(low_j)); j <= static_cast<int>(std::ceil(high_j)); ++j)
    for (int i = static_cast<int>(std::floor(low_i)); i <= static_cast<int>(std::ceil(high_i));
         ++i) {
      const double x = cx + c * mirror * i - s * j, y = cy + s * mirror * i + c * j;
      if (x < 0 || y < 0 || x > width || y > height) continue;
      out.chip.push_back(wrap(j, plan.side) * plan.side + wrap(i, plan.side));
      out.at.emplace_back(static_cast<float>(x * to_x - 0.5), static_cast<float>(y * to_y - 0.5));
    }
  return out;
}

PilotSearch::PilotSearch(const ChipPlan& plan, double chips) : plan_(plan), chips_(chips) {
  for (int r = 0; r < plan.pilot_period; ++r) {
    cv::Mat signs(plan.side, plan.side, CV_32F), spectrum;
    const int8_t* p = plan.pilot.data() + static_cast<size_t>(r) * plan.chips();
    for (int y = 0; y < plan.side; ++y)
      for (int x = 0; x < plan.side; ++x) signs.at<float>(y, x) = p[y * plan.side + x];
    cv::dft(signs, spectrum);
    pilot_spectra_.push_back(spectrum);
  }
}

double PilotSearch::score(const FoldedEvidence& folded, const GridPose& pose) const {
  double sum = 0, energy = 0;
  ChipSamples where;
  for (int r = 0; r < plan_.pilot_period; ++r) {
    const cv::Mat& picture = folded.picture[static_cast<size_t>(r)];
    if (picture.empty()) continue;
    if (where.chip.empty())
      where = chips_of_pose(plan_, pose, chips_, folded.width, folded.height, picture.size());
    const int8_t* pilot =
        plan_.pilot.data() +
        static_cast<size_t>(wrap(r + pose.phase, plan_.pilot_period)) * plan_.chips();
    for (size_t n = 0; n < where.chip.size(); ++n) {
      const int sign = pilot[where.chip[n]];
      if (!sign) continue;
      const float v = sample(picture, where.at[n]);
      sum += sign * v;
      energy += static_cast<double>(v) * v;
    }
  }
  return energy > 0 ? sum / std::sqrt(energy) : 0;
}

std::vector<GridPose> PilotSearch::framed(const std::vector<FoldedEvidence>& shifts) const {
  std::vector<GridPose> best;
  for (size_t shift = 0; shift < shifts.size(); ++shift)
    for (bool mirrored : {false, true})
      for (int phase = 0; phase < plan_.pilot_period; ++phase) {
        GridPose pose;
        pose.mirrored = mirrored;
        pose.phase = phase;
        pose.shift = static_cast<int>(shift);
        pose.score = score(shifts[shift], pose);
        keep(best, pose, 4);
      }
  return best;
}

/// Spectra of the evidence read off at the chips of a pose, per residue.
void PilotSearch::spectra(const FoldedEvidence& folded, const GridPose& pose,
                          std::vector<cv::Mat>& out, double& energy) const {
  out.assign(static_cast<size_t>(plan_.pilot_period), {});
  energy = 0;
  ChipSamples where;
  for (size_t r = 0; r < out.size(); ++r) {
    const cv::Mat& picture = folded.picture[r];
    if (picture.empty()) continue;
    if (where.chip.empty())
      where = chips_of_pose(plan_, pose, chips_, folded.width, folded.height, picture.size());
    cv::Mat grid = cv::Mat::zeros(plan_.side, plan_.side, CV_32F);
    float* g = grid.ptr<float>();
    for (size_t n = 0; n < where.chip.size(); ++n) {
      const float v = sample(picture, where.at[n]);
      g[where.chip[n]] += v;
      energy += static_cast<double>(v) * v;
    }
    cv::dft(grid, out[r]);
  }
}

/// Correlates with the pilots at all whole-chip offsets. A chip found at (i, j) that is pilot
/// (i + di, j + dj) means that the grid's centre lies (di, dj) chips before the pose's.
void PilotSearch::search_offsets(const FoldedEvidence& folded, GridPose pose, bool all_phases,
                                 std::vector<GridPose>& best) const {
  std::vector<cv::Mat> seen;
  double energy = 0;
  spectra(folded, pose, seen, energy);
  if (energy <= 0) return;
  const double step = pose.scale * chip_pitch_px(folded.width, folded.height, chips_);
  const double c = std::cos(pose.rotation_rad) * step, s = std::sin(pose.rotation_rad) * step;
  const double sigma = std::sqrt(energy * 0.2);
  const GridPose start = pose;
  cv::Mat product, total, plane;
  for (int phase = 0; phase < (all_phases ? plan_.pilot_period : 1); ++phase) {
    total = cv::Mat();
    for (size_t r = 0; r < seen.size(); ++r) {
      if (seen[r].empty()) continue;
      const auto p = static_cast<size_t>(wrap(static_cast<int>(r) + phase, plan_.pilot_period));
      cv::mulSpectrums(pilot_spectra_[p], seen[r], product, 0, true);
      if (total.empty())
        total = product.clone();
      else
        total += product;
    }
    cv::dft(total, plane, cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_REAL_OUTPUT);
    double value = 0;
    cv::Point at;
    cv::minMaxLoc(plane, nullptr, &value, nullptr, &at);
    const int di = at.x < plan_.side / 2 ? at.x : at.x - plan_.side;
    const int dj = at.y < plan_.side / 2 ? at.y : at.y - plan_.side;
    const double mi = (pose.mirrored ? -1.0 : 1.0) * di;
    pose.offset_x_px = start.offset_x_px - (c * mi - s * dj);
    pose.offset_y_px = start.offset_y_px - (s * mi + c * dj);
    pose.phase = phase;
    pose.score = value / sigma;
    keep(best, pose, kKept);
  }
}

std::vector<GridPose> PilotSearch::anywhere(const std::vector<FoldedEvidence>& shifts,
                                            bool all_phases) const {
  std::vector<GridPose> poses;
  const double pitch = chip_pitch_px(shifts[0].width, shifts[0].height, chips_);
  // Steps that move the outermost chips by less than about a third of a chip.
  const double reach = std::hypot(shifts[0].width, shifts[0].height) / 2 / pitch;
  const double scale_step = std::min(0.03, 0.5 / reach), turn_step = std::min(0.03, 0.5 / reach);
  const int turns = static_cast<int>(std::ceil(0.0524 / turn_step));
  for (double scale = 0.7; scale < 1.62; scale *= 1 + scale_step)
    for (int turn = -turns; turn <= turns; ++turn)
      for (bool mirrored : {false, true})
        for (int half = 0; half < 4; ++half)
          for (size_t shift = 0; shift < (all_phases ? shifts.size() : 1); ++shift) {
            GridPose pose;
            pose.scale = scale;
            pose.rotation_rad = turn * turn_step;
            pose.mirrored = mirrored;
            pose.offset_x_px = (half & 1) * 0.5 * scale * pitch;
            pose.offset_y_px = (half >> 1) * 0.5 * scale * pitch;
            pose.shift = static_cast<int>(shift);
            poses.push_back(pose);
          }
  std::vector<GridPose> best;
  std::mutex mutex;
  constexpr int kBatch = 16;
  const int batches = (static_cast<int>(poses.size()) + kBatch - 1) / kBatch;
  parallel_for(0, batches, [&](int b) {
    std::vector<GridPose> mine;
    for (int i = b * kBatch; i < std::min((b + 1) * kBatch, static_cast<int>(poses.size())); ++i) {
      const GridPose& pose = poses[static_cast<size_t>(i)];
      search_offsets(shifts[static_cast<size_t>(pose.shift)], pose, all_phases, mine);
    }
    std::lock_guard lock(mutex);
    for (const GridPose& pose : mine) keep(best, pose, kKept);
  });
  std::vector<GridPose> out;
  for (const GridPose& pose : best)
    keep(out, refined(shifts[static_cast<size_t>(pose.shift)], pose), kKept);
  return out;
}

GridPose PilotSearch::refined(const FoldedEvidence& folded, GridPose pose) const {
  const double pitch = chip_pitch_px(folded.width, folded.height, chips_);
  pose.score = score(folded, pose);
  for (double size = 0.3; size > 0.03; size /= 2) {
    for (int round = 0; round < 4; ++round) {
      bool better = false;
      for (int move = 0; move < 8; ++move) {
        GridPose next = pose;
        const double by = (move & 1) ? size : -size;
        switch (move / 2) {
          case 0:
            next.offset_x_px += by * pitch;
            break;
          case 1:
            next.offset_y_px += by * pitch;
            break;
          case 2:
            next.scale *= 1 + by * 0.06;
            break;
          default:
            next.rotation_rad += by * 0.06;
        }
        next.score = score(folded, next);
        if (next.score > pose.score) {
          pose = next;
          better = true;
        }
      }
      if (!better) break;
    }
  }
  return pose;
}

ChipSums::ChipSums(const ChipPlan& plan)
    : plan_(&plan), sums_(static_cast<size_t>(plan.slots) * plan.chips()) {}

void ChipSums::add(const cv::Mat& evidence, const ChipSamples& where, int64_t marked_slot) {
  float* sums =
      sums_.data() + static_cast<size_t>(wrap(marked_slot, plan_->slots)) * plan_->chips();
  for (size_t n = 0; n < where.chip.size(); ++n)
    sums[where.chip[n]] += sample(evidence, where.at[n]);
  ++slots_;
}

ChipSums::Reading ChipSums::read() const {
  const size_t chips = plan_->chips();
  Reading best;
  const int turns = plan_->slots / plan_->pilot_period;
  for (int turn = 0; turn < turns; ++turn) {
    std::vector<float> soft(static_cast<size_t>(plan_->code_bits));
    std::vector<float> pilots(static_cast<size_t>(plan_->pilot_period) * chips);
    double energy = 0;
    for (int s = 0; s < plan_->slots; ++s) {
      const float* sums = sums_.data() + static_cast<size_t>(s) * chips;
      const size_t marked =
          static_cast<size_t>(wrap(s + turn * plan_->pilot_period, plan_->slots)) * chips;
      const size_t pilot_row = static_cast<size_t>(s % plan_->pilot_period) * chips;
      for (size_t c = 0; c < chips; ++c) {
        const float v = sums[c];
        if (plan_->pilot[pilot_row + c]) {
          pilots[pilot_row + c] += v;
        } else {
          soft[plan_->code_bit[marked + c]] += static_cast<float>(plan_->sign[marked + c]) * v;
          energy += static_cast<double>(v) * v;
        }
      }
    }
    double pilot_sum = 0, pilot_energy = 0;
    for (size_t i = 0; i < pilots.size(); ++i) {
      pilot_sum += plan_->pilot[i] * pilots[i];
      pilot_energy += static_cast<double>(pilots[i]) * pilots[i];
    }
    const int id_bits = plan_->id_bits;
    const auto bits = fec::decode(soft, WatermarkMessage::size(id_bits));
    const auto code = fec::encode(bits);
    double sum = pilot_sum;
    for (size_t b = 0; b < code.size(); ++b) sum += code[b] ? -soft[b] : soft[b];
    Reading reading;
    reading.valid = WatermarkMessage::parse(bits, id_bits, reading.id);
    reading.score = energy + pilot_energy > 0 ? sum / std::sqrt(energy + pilot_energy) : 0;
    reading.pilot_score = pilot_energy > 0 ? pilot_sum / std::sqrt(pilot_energy) : 0;
    reading.turn = turn;
    const bool first = turn == 0;
    if (first || (reading.valid && !best.valid) ||
        (reading.valid == best.valid && reading.score > best.score))
      best = reading;
  }
  return best;
}

double confidence_of_score(double score, int id_bits, double log_hypotheses) {
  if (score <= 0) return 0;
  const double log_bound = id_bits * std::log(2.0) + log_hypotheses - score * score / 2;
  return std::max(0.0, -log_bound / std::log(10.0));
}

}  // namespace likeness::trust
