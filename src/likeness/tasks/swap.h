// SPDX-License-Identifier: Apache-2.0
// A model laid over a performance: analyse the footage, choose the performer's tracks, render fixed
// segments, join them with the sound.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "likeness/media/writer_options.h"
#include "likeness/swap/polygon.h"
#include "likeness/swap/swap_options.h"
#include "likeness/tasks/model_info.h"
#include "likeness/tasks/swap_range.h"
#include "likeness/tasks/task.h"
#include "likeness/trust/label.h"

namespace likeness::swap {
class Renderer;
}

namespace likeness::tasks {

struct SwapTaskOptions {
  swap::SwapOptions swap;
  media::WriterOptions writer;
  trust::LabelOptions label;
  int chunk_frames = 240;
  bool any_face = false;
  /// x264 and x265 give other bits with other thread counts: a fixed one keeps the output the same
  /// everywhere.
  SwapTaskOptions() { writer.threads = 4; }
};
template <typename V>
void visit(SwapTaskOptions& o, V&& f) {
  visit(o.swap, f);
  visit(o.writer, [&](const char* name, auto& value, const OptionInfo& info) {
    f(std::string_view(name) == "preset"    ? "encoder_preset"
      : std::string_view(name) == "threads" ? "encoder_threads"
                                            : name,
      value, info);
  });
  visit(o.label, f);
  f("chunk_frames", o.chunk_frames,
    OptionInfo{.help = "frames per segment: what a kill costs at most",
               .unit = "frames",
               .min = 1,
               .max = 100000,
               .level = OptionLevel::kAdvanced});
  f("any_face", o.any_face, OptionInfo{.help = "change every face, whoever it is"});
}

/// A model and who gets it.
struct SwapEntry {
  std::string who;  ///< subject, track number or "*"
  ModelInfo model;
};
/// `model` means its performer, or everybody; `map` as SwapTask takes it. Throws kNotFound.
std::vector<SwapEntry> swap_entries(const project::Project& project, const std::string& model,
                                    const std::map<std::string, std::string>& map, bool any_face);
/// Whom the gate is asked about for them.
std::vector<trust::SubjectUse> swap_subjects(const std::vector<SwapEntry>& entries);

class SwapTask : public Task {
 public:
  /// `map`: who gets which model: key = subject, track number or "*"; value = model. `model` alone
  /// means its performer. Throws kNotFound, kUsage.
  SwapTask(const project::Project& project, std::filesystem::path target, std::filesystem::path out,
           const std::string& model, const std::map<std::string, std::string>& map,
           SwapTaskOptions options);
  /// Other settings for some frames; of the options in them those of swap::SwapOptions count,
  /// device and precision apart. Throws kUsage.
  void set_ranges(const std::vector<SwapRange>& ranges);
  /// Drawn by hand over the masks (tasks/swap_polygons.h).
  void set_polygons(std::vector<swap::Polygon> polygons) { polygons_ = std::move(polygons); }
  /// Only these frames, `last` included: the output begins with the first of them. Throws kUsage;
  /// plan() throws it too, where the footage has no such frames.
  void set_part(FrameIndex first, FrameIndex last);
  std::string name() const override { return "swap"; }
  nlohmann::json options() const override;
  trust::Request request() const override;
  std::vector<trust::Input> inputs(project::Project& project) const override;
  std::vector<std::string> locks() const override;
  std::vector<Chunk> plan(Run& run) override;
  void run(const Chunk& chunk, const std::filesystem::path& out, Run& run) override;
  Result join(const std::vector<std::filesystem::path>& parts, Run& run) override;

 private:
  void choose(const std::filesystem::path& out, Run& run) const;
  void segment(const Chunk& chunk, const std::filesystem::path& out, Run& run);
  const trust::Input& target_input() const;
  const swap::Renderer* renderer_of(int range, size_t entry);

  std::filesystem::path target_, out_;
  std::vector<SwapEntry> entries_;
  SwapTaskOptions options_;
  mutable std::vector<trust::Input> inputs_;
  using Renderers = std::vector<std::shared_ptr<swap::Renderer>>;  ///< per entry
  Renderers renderers_;
  std::vector<SwapRange> ranges_;
  std::vector<swap::Polygon> polygons_;
  std::vector<swap::SwapOptions> range_options_;
  std::vector<Renderers> range_renderers_;
  std::optional<std::pair<FrameIndex, FrameIndex>> part_;
  double frames_left_ = 0;
  bool progress_begun_ = false;
};

}  // namespace likeness::tasks
