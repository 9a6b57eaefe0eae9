// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace likeness::evaluate {
namespace {

constexpr double kWidth = 640, kHeight = 240, kLeft = 54, kRight = 12, kTop = 10, kBottom = 36;
constexpr size_t kBuckets = 400;

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};

/// Steps of 1, 2 or 5 times a power of ten.
double nice_step(double span, int parts) {
  const double rough = span / parts, power = std::pow(10, std::floor(std::log10(rough)));
  for (double m : {1.0, 2.0, 5.0})
    if (m * power >= rough * 0.999) return m * power;
  return 10 * power;
}

std::string tick_text(double v) {
  if (std::fabs(v) < 1e-12) return "0";
  if (std::fabs(v) >= 1e6 || std::fabs(v) < 1e-3) return fmt::format("{:.0e}", v);
  return fmt::format("{:.6g}", v);
}

struct Axes {
  Range x, y;
  bool log_y = false;
  double level(double v) const { return log_y ? std::log10(v) : v; }
  double px(double v) const {
    return kLeft + (v - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  }
  double py(double v) const {
    const double low = level(y.low), high = level(y.high);
    return kHeight - kBottom - (level(v) - low) / (high - low) * (kHeight - kTop - kBottom);
  }
};

Axes make_axes(const Chart& chart) {
  Axes a;
  bool positive = true;
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size() && i < s.y.size(); ++i) {
      if (!std::isfinite(s.y[i]) || !std::isfinite(s.x[i])) continue;
      a.x.add(s.x[i]);
      a.y.add(s.y[i]);
      positive = positive && s.y[i] > 0;
    }
  if (a.y.empty()) return a;
  a.y.add(chart.reference);
  a.log_y = chart.log_y && positive && a.y.low > 0;
  if (a.x.high <= a.x.low) a.x.low -= 0.5, a.x.high += 0.5;
  if (a.log_y) {
    a.y.low /= 1.1, a.y.high *= 1.1;
  } else {
    const double pad = a.y.high > a.y.low ? 0.06 * (a.y.high - a.y.low)
                                          : std::max(1e-3, 0.1 * std::fabs(a.y.high));
    const bool from_zero = a.y.low >= 0 && a.y.low < 0.5 * a.y.high;
    a.y.low = from_zero ? 0 : a.y.low - pad;
    a.y.high += pad;
  }
  return a;
}

std::string grid(const Axes& a, const Chart& chart) {
  std::string out;
  std::vector<double> ys;
  if (a.log_y) {
    for (double p = std::floor(std::log10(a.y.low)); p <= std::log10(a.y.high); ++p)
      for (double m : {1.0, 2.0, 5.0})
        if (const double v = m * std::pow(10, p); v >= a.y.low && v <= a.y.high) ys.push_back(v);
  } else {
    const double step = nice_step(a.y.high - a.y.low, 7);
    for (double v = std::ceil(a.y.low / step) * step; v <= a.y.high + 1e-9 * step; v += step)
      ys.push_back(v);
  }
  for (double v : ys)
    out += fmt::format(
        "<line class='grid' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/><text x='{:.1f}' "
        "y='{:.1f}' "
        "text-anchor='end'>{}</text>",
        kLeft, kWidth - kRight, a.py(v), a.py(v), kLeft - 6, a.py(v) + 4, tick_text(v));
  const double step = nice_step(a.x.high - a.x.low, 8);
  for (double v = std::ceil(a.x.low / step) * step; v <= a.x.high + 1e-9 * step; v += step)
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>", a.px(v),
                       kHeight - kBottom + 16, tick_text(v));
  out += fmt::format("<line class='axis' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/>", kLeft,
                     kWidth - kRight, kHeight - kBottom, kHeight - kBottom);
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>",
                     (kLeft + kWidth - kRight) / 2, kHeight - 4, html_escape(chart.x_label));
  return out;
}

/// Of many points the lowest and highest of each bucket, in order: peaks stay visible.
std::vector<size_t> visible_points(const Series& s) {
  const size_t n = std::min(s.x.size(), s.y.size());
  std::vector<size_t> out;
  if (n <= 2 * kBuckets) {
    for (size_t i = 0; i < n; ++i) out.push_back(i);
    return out;
  }
  for (size_t b = 0; b < kBuckets; ++b) {
    const size_t from = b * n / kBuckets, to = (b + 1) * n / kBuckets;
    size_t low = from, high = from;
    for (size_t i = from; i < to; ++i) {
      if (s.y[i] < s.y[low] || !std::isfinite(s.y[low])) low = i;
      if (s.y[i] > s.y[high] || !std::isfinite(s.y[high])) high = i;
    }
    out.push_back(std::min(low, high));
    if (low != high) out.push_back(std::max(low, high));
  }
  return out;
}

std::string line(const Axes& a, const Series& s, int colour) {
  std::string path, dots;
  bool pen_down = false;
  const std::vector<size_t> points = visible_points(s);
  for (size_t k = 0; k < points.size(); ++k) {
    const size_t i = points[k];
    if (!std::isfinite(s.y[i]) || !std::isfinite(s.x[i])) {
      pen_down = false;
      continue;
    }
    const bool next = k + 1 < points.size() && std::isfinite(s.y[points[k + 1]]);
    if (!pen_down && !next)  // a point alone would not show as a line
      dots += fmt::format("<circle class='s{}' r='2' cx='{:.1f}' cy='{:.1f}'/>", colour,
                          a.px(s.x[i]), a.py(s.y[i]));
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", a.px(s.x[i]), a.py(s.y[i]));
    pen_down = true;
  }
  return fmt::format("<path class='line s{}' d='{}'/>", colour, path) + dots;
}

}  // namespace

std::string html_escape(const std::string& text) {
  std::string out;
  for (char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string svg_chart(const Chart& chart) {
  const Axes a = make_axes(chart);
  if (a.y.empty()) return "";
  std::string legend, lines;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const int colour = static_cast<int>(i % 4) + 1;
    lines += line(a, chart.series[i], colour);
    legend += fmt::format("<span><i class='s{}'></i>{}</span>", colour,
                          html_escape(chart.series[i].name));
  }
  if (std::isfinite(chart.reference)) {
    lines +=
        fmt::format("<line class='reference' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/>",
                    kLeft, kWidth - kRight, a.py(chart.reference), a.py(chart.reference));
    legend +=
        fmt::format("<span><i class='dash'></i>{}</span>", html_escape(chart.reference_label));
  }
  return fmt::format(
      "<figure><figcaption><b>{}</b> <small>{}</small></figcaption><div "
      "class='legend'>{}</div><svg viewBox='0 0 {:.0f} "
      "{:.0f}' role='img' aria-label='{}'>{}{}</svg></figure>\n",
      html_escape(chart.title), html_escape(chart.y_label), legend, kWidth, kHeight,
      html_escape(chart.title), grid(a, chart), lines);
}

}  // namespace likeness::evaluate
