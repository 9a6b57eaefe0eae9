// SPDX-License-Identifier: Apache-2.0
// Disclosure that people see and hear, by the rules of a place: a label over the picture, a
// notice before sound, words in the container. Watermark and manifest are in every output with any
// of them, and with none. What each preset does is one row of a table in label.cpp; what the law
// says is in docs/guide/provenance.md.
#pragma once

#include <map>
#include <string>

#include "likeness/base/audio.h"
#include "likeness/base/options.h"
#include "likeness/media/video.h"

namespace likeness::trust {

struct LabelOptions {
  std::string label = "none";  ///< none, eu, us-ca, cn, kr-in
};
template <typename V>
void visit(LabelOptions& o, V&& f) {
  f("label", o.label,
    OptionInfo{.help = "visible and audible disclosure by the rules of a place; the proof of "
                       "origin is in every output with any of them",
               .choices = {"none", "eu", "us-ca", "cn", "kr-in"}});
}

/// The label of a preset, drawn for one picture size. Drawing is a pure function of the frame and
/// its time, so chunks agree.
class VisibleLabel {
 public:
  /// Throws kUsage (no such preset). Letters are 5 % of the shorter side high, 8 px at least,
  /// smaller where the words would not fit into the width.
  VisibleLabel(const std::string& preset, int width, int height);
  /// Whether a picture `time_s` after the start shows it; stills are at 0.
  bool shows(double time_s) const { return !rgb_.empty() && time_s < until_s_; }
  void draw(media::Frame& frame) const;
  void draw(Image8& image) const;
  Rect region() const { return region_; }  ///< empty for `none`

 private:
  double until_s_ = 0;
  Rect region_;
  ImageF rgb_, alpha_;
};

/// What the preset wants in the container's metadata: for `cn` the key AIGC (GB 45438-2025: label,
/// producer, content id). `id`: of the watermark.
std::map<std::string, std::string> label_tags(const std::string& preset, uint64_t id);

/// Puts the preset's notice before the sound, as loud as the sound itself: "This voice is computer
/// generated", spoken, or for `cn` the signal short-long-short-short at 1 kHz (GB 45438-2025).
/// Gives the seconds it takes; 0 for `none`.
double add_audible_label(AudioClip& clip, const std::string& preset);

}  // namespace likeness::trust
