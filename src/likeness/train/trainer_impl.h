// SPDX-License-Identifier: Apache-2.0
// Inside `train` only: the state of a run and the parts of the loop.
#pragma once

#include <chrono>
#include <future>
#include <optional>

#include "likeness/nets/discriminator.h"
#include "likeness/nets/losses.h"
#include "likeness/nets/optimiser.h"
#include "likeness/nets/precision.h"
#include "likeness/tensor/checkpoint_model.h"
#include "likeness/train/loader.h"
#include "likeness/train/trainer.h"

namespace likeness::train {

using tensor::Checkpoint, tensor::checkpoint_path, tensor::list_checkpoints,
    tensor::read_checkpoint, tensor::rotate_checkpoints, tensor::write_checkpoint;

/// Weights of a module become `type` on `device`, convolutions channels-last.
void convert_module(torch::nn::Module& module, const torch::Device& device, torch::ScalarType type);

/// log.jsonl of a run. Lines are appended whole; open() drops lines after `step` (they are trained
/// again).
class RunLog {
 public:
  void open(const std::filesystem::path& path, int64_t step);
  void write(const nlohmann::json& line);

 private:
  std::filesystem::path path_;
};

/// Sums over the steps since the last log line.
struct StepSums {
  int64_t steps = 0;
  double loss = 0, step_s = 0, wait_s = 0, gradient_norm = 0, extra = 0;
  nets::LossTerms terms[2];
};

struct Trainer::Impl {
  TrainOptions options;
  TrainingData data;
  std::filesystem::path folder;
  ModelExtras extras;
  TrainHooks hooks;

  torch::Device device{torch::kCPU};
  nets::Precision precision = nets::Precision::kFloat32;
  std::shared_ptr<nets::SwapNet> net, averaged;
  std::unique_ptr<nets::Optimiser> optimiser;
  std::shared_ptr<nets::PatchDiscriminator> gan;
  std::unique_ptr<nets::Optimiser> gan_optimiser;

  int64_t step = 0;
  double elapsed_before_s = 0;  ///< of the runs before this one
  double rate_scale = 1;        ///< halved by every recovery
  int recoveries = 0;
  double best_score = -1, best_score_at_s = 0;
  HeldOutMetrics held_out;
  RunLog log;
  std::future<void> saving;
  std::chrono::steady_clock::time_point run_start;
  double paused_s = 0;
  bool running = false;

  Impl(TrainOptions options, PreparedData data, std::filesystem::path folder, ModelExtras extras,
       TrainHooks hooks);
  ~Impl();
  void restore(const Checkpoint& checkpoint);

  // trainer_steps.cpp
  double elapsed_s() const;
  double fraction() const;
  /// False: the gradient was not finite and nothing changed.
  bool train_step(Batch batch, StepSums& sums);
  torch::Tensor extra_loss(const nets::FaceOutput (&out)[2], const Batch& batch);
  void train_discriminator(const nets::FaceOutput& out, const Batch& batch);
  void recover(std::unique_ptr<Loader>& loader);
  std::unique_ptr<Loader> make_loader() const;
  nlohmann::json write_log_line(const StepSums& sums);
  std::optional<std::string> reached_target() const;
  void wait_while_paused(const Cancel& cancel);
  TrainReport run(Progress& progress, const Cancel& cancel);
  TrainReport loop(Progress& progress, const Cancel& cancel);

  // trainer_outputs.cpp
  Checkpoint checkpoint() const;
  void save(bool wait);
  void finish_saving();
  void refresh_average();
  HeldOutMetrics evaluate();
  void write_preview();
  void export_model(const std::filesystem::path& path, bool half_precision);
};

}  // namespace likeness::train
