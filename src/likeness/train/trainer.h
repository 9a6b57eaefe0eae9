// SPDX-License-Identifier: Apache-2.0
// Trains a SwapNet on prepared crops. One folder holds everything of a run:
//   step-00000120.checkpoint (the newest, of hours, of days)   log.jsonl   preview.png   previews/
//   model.safetensors + model.toml (after export_model)
//
// Resume is exact: samples and augmentation are a function of (seed, step), and the checkpoint
// holds the weights, moments, average, rate scale and elapsed time; 10 + resume + 10 steps are bit
// for bit 20 steps on one CPU machine. (With a target in minutes the rate follows the clock, so
// there only the state is exact.)
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "likeness/base/image.h"
#include "likeness/base/run.h"
#include "likeness/nets/swap_net.h"
#include "likeness/train/prepared_data.h"
#include "likeness/train/train_options.h"

namespace likeness::train {

/// Values of one evaluation on the held-out rows, with the averaged weights. -1 = not measured.
struct HeldOutMetrics {
  double ssim[2] = {-1, -1};        ///< by side, inside the mask
  double l1[2] = {-1, -1};          ///< by side, inside the mask, [0,1]
  double identity_similarity = -1;  ///< from TrainHooks, of swapped performer rows
};

/// Everything a model carries beside its weights. Both travel in the checkpoint and in the exported
/// model.
struct ModelExtras {
  nlohmann::json metadata = nlohmann::json::object();  ///< names, consent ids, faceset hashes, ...
  std::map<std::string, std::string> blobs;  ///< opaque bytes, for example the appearance model
};

struct TrainHooks {
  /// swapped: N x 3 x R x R [0,1] on the CPU -> similarity to the identity (higher is better).
  std::function<double(const torch::Tensor& swapped)> identity_similarity;
  /// Differentiable identity term: (generated, target) N x 3 x R x R -> scalar. Used when
  /// embedding_weight > 0.
  std::function<torch::Tensor(const torch::Tensor& generated, const torch::Tensor& target)>
      embedding_loss;
  /// Called after every logged step with the log line.
  std::function<void(const nlohmann::json& line)> on_log;
  /// Writes a preview; media::write_image where there is none.
  std::function<void(const std::filesystem::path& path, const Image8& image)> write_preview;
  /// Asked between steps; while it returns true training waits (state saved, device memory kept).
  std::function<bool()> paused;
};

struct TrainReport {
  int64_t step = 0;
  double elapsed_s = 0;        ///< training time over all runs
  double ms_per_step = 0;      ///< mean of this run
  double loader_wait_pct = 0;  ///< of this run's step time
  double loss = 0;             ///< mean of the last logged steps
  HeldOutMetrics held_out;
  int nan_recoveries = 0;
  std::string stopped_by;  ///< "steps", "minutes", "plateau", "cancel"
};

class Trainer {
 public:
  /// A new run. `folder` is made; a checkpoint there is an error (kUsage: resume or choose another
  /// folder). Throws kUsage (options), kBadInput (data), kMissing (device).
  Trainer(TrainOptions options, PreparedData data, std::filesystem::path folder,
          ModelExtras extras = {}, TrainHooks hooks = {});
  /// Goes on from the newest checkpoint of the folder that is whole (damaged ones are skipped with
  /// a warning). Targets, intervals, rates and loss weights come from `options`; the network, its
  /// shape and the seed come from the checkpoint (kUsage if they differ). Throws kNotFound when
  /// there is none.
  static std::unique_ptr<Trainer> resume(TrainOptions options, PreparedData data,
                                         std::filesystem::path folder, TrainHooks hooks = {});
  static bool has_checkpoint(const std::filesystem::path& folder);
  ~Trainer();

  /// Trains until a target is reached or `cancel` asks to stop (level 1: this step ends, state
  /// saved). Saves at the end. May be called again with higher targets (set_targets).
  TrainReport run(Progress& progress, const Cancel& cancel);
  void set_targets(int64_t steps, double minutes);

  int64_t step() const;
  nets::SwapNet& net();           ///< training weights
  nets::SwapNet& averaged_net();  ///< EMA weights; valid until the next run() or call of it
  ModelExtras& extras();
  HeldOutMetrics evaluate();
  void save_checkpoint();
  /// Writes the averaged weights: safetensors with the options in the metadata, and the card beside
  /// it.
  void export_model(const std::filesystem::path& path, bool half_precision = true);

 private:
  struct Impl;
  explicit Trainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An exported model, ready to run. Tensors are on `device`; eval mode, no gradients.
struct LoadedModel {
  nets::NetOptions options;
  std::shared_ptr<nets::SwapNet> net;
  ModelExtras extras;
  int64_t step = 0;
};
/// Throws kNotFound, kDamaged, kUnsupported.
LoadedModel load_model(const std::filesystem::path& path, const std::string& device = "cpu",
                       const std::string& precision = "auto");

}  // namespace likeness::train
