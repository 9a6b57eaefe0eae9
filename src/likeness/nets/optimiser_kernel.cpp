// SPDX-License-Identifier: Apache-2.0
// Compiled with -fno-math-errno, without which the square root is not vectorised.
#include "likeness/nets/optimiser_kernel.h"

#include <cmath>

namespace likeness::nets {
namespace {

template <typename G>
double squares(const G* values, int64_t n) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += 4096) {
    const int64_t end = begin + 4096 < n ? begin + 4096 : n;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const float v = to_float(values[i]);
      sum += v * v;
    }
    total += sum;
  }
  return total;
}

/// A few rounds of a 32-bit mixer: enough to choose weights at random.
inline uint32_t hash(uint32_t index, uint32_t key) {
  uint32_t h = (index ^ key) * 0x9e3779b1u;
  h = (h ^ (h >> 15)) * 0x85ebca6bu;
  return h ^ (h >> 13);
}

template <bool kBelief, bool kDropout, bool kAverage, bool kWorking, typename G, typename W>
void run_update(const UpdateRun<G, W>& r, const UpdateRule& u) {
  const G* __restrict gradient = r.gradient;
  float* __restrict master = r.master;
  float* __restrict first = r.first;
  float* __restrict second = r.second;
  float* __restrict average = r.average;
  W* __restrict working = r.working;
  const float keep1 = u.beta1, take1 = 1 - u.beta1, keep2 = u.beta2, take2 = 1 - u.beta2;
#pragma omp simd
  for (int64_t i = 0; i < r.size; ++i) {
    const float g = to_float(gradient[i]) * u.gradient_scale;
    const float m = keep1 * first[i] + take1 * g;
    const float surprise = kBelief ? g - m : g;
    const float v = keep2 * second[i] + take2 * surprise * surprise;
    first[i] = m;
    second[i] = v;
    float step =
        u.step_size * m / (std::sqrt(v) * u.inverse_scale + u.epsilon) + u.decay * master[i];
    if constexpr (kDropout)
      step =
          hash(r.index + static_cast<uint32_t>(i), u.dropout_key) <= u.dropout_below ? step : 0.0f;
    const float p = master[i] - step;
    master[i] = p;
    if constexpr (kAverage) average[i] = p + u.average_keep * (average[i] - p);
    if constexpr (kWorking) store(working[i], p);
  }
}

template <bool kBelief, bool kDropout, bool kAverage, typename G, typename W>
void choose_working(const UpdateRun<G, W>& r, const UpdateRule& u) {
  r.working ? run_update<kBelief, kDropout, kAverage, true>(r, u)
            : run_update<kBelief, kDropout, kAverage, false>(r, u);
}
template <bool kBelief, bool kDropout, typename G, typename W>
void choose_average(const UpdateRun<G, W>& r, const UpdateRule& u) {
  u.average_keep < 1 ? choose_working<kBelief, kDropout, true>(r, u)
                     : choose_working<kBelief, kDropout, false>(r, u);
}
template <typename G, typename W>
void choose(const UpdateRun<G, W>& r, const UpdateRule& u) {
  const bool dropout = u.dropout_below != 0xffffffffu;
  if (u.adabelief)
    dropout ? choose_average<true, true>(r, u) : choose_average<true, false>(r, u);
  else
    dropout ? choose_average<false, true>(r, u) : choose_average<false, false>(r, u);
}

}  // namespace

double sum_of_squares(const BF16* values, int64_t n) { return squares(values, n); }
double sum_of_squares(const float* values, int64_t n) { return squares(values, n); }
void update(const UpdateRun<BF16, BF16>& run, const UpdateRule& rule) { choose(run, rule); }
void update(const UpdateRun<float, float>& run, const UpdateRule& rule) { choose(run, rule); }

}  // namespace likeness::nets
