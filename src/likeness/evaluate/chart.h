// SPDX-License-Identifier: Apache-2.0
// Line charts as inline SVG. Colours come from CSS variables --s1..--s4, --grid, --ink-2 of the
// page around.
#pragma once

#include <string>
#include <vector>

namespace likeness::evaluate {

struct Series {
  std::string name;
  std::vector<double> x, y;  ///< same length; a y that is not finite breaks the line
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  /// Horizontal line with a label, for a target value; none when not finite.
  double reference = __builtin_nan("");
  std::string reference_label;
  bool log_y = false;  ///< ignored when a value is not positive
};

/// A <figure> with title, legend and plot; empty when there is nothing finite to show. At most
/// about 800 points per series are drawn: of more, each bucket's lowest and highest.
std::string svg_chart(const Chart& chart);

/// &, <, >, " and ' as entities.
std::string html_escape(const std::string& text);

}  // namespace likeness::evaluate
