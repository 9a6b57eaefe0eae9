// SPDX-License-Identifier: Apache-2.0
// Makes batches: ahead of the training step on a thread of its own, or on the training thread where
// that is faster.
#pragma once

#include <memory>

#include "likeness/nets/losses.h"
#include "likeness/nets/swap_net.h"
#include "likeness/train/prepared_data.h"
#include "likeness/train/train_options.h"

namespace likeness::train {

struct Batch {
  int64_t step = 0;
  nets::FaceBatch input[2];
  nets::LossTarget target[2];
};

/// The data with what every sample needs computed once: soft masks, and which rows are trained on.
struct TrainingData {
  PreparedData data;
  torch::Tensor weights[2];  ///< M x 1 x R x R uint8: softened masks; undefined = all counts
  std::vector<int64_t> train_rows[2];  ///< everything but held_out
};
/// Throws what check_prepared throws.
TrainingData make_training_data(PreparedData data, bool masked);

/// Which row is sample `index` (= step * batch + i) of a side: every epoch is another random order
/// of all rows.
class RowOrder {
 public:
  RowOrder(const std::vector<int64_t>& rows, uint64_t seed, int side);  ///< rows must outlive it
  int64_t row(int64_t index);

 private:
  const std::vector<int64_t>& rows_;
  uint64_t seed_;
  int side_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;
};

/// A batch as a pure function of (data, options, seed, step); CPU tensors.
class BatchMaker {
 public:
  enum class Threads { kOne, kOwn, kTorch };
  /// Threads that share one batch: none, some of its own, or libtorch's pool (for the thread that
  /// trains).
  BatchMaker(const TrainingData& data, const TrainOptions& options, uint64_t seed, Threads threads);
  Batch make(int64_t step);
  /// Rows as they are, without augmentation.
  static nets::FaceBatch plain_input(const TrainingData& data, int side,
                                     const std::vector<int64_t>& rows);

 private:
  void fill(Batch& batch, int side, int index_in_batch, int64_t row) const;
  const TrainingData& data_;
  TrainOptions options_;
  uint64_t seed_;
  Threads threads_;
  RowOrder order_[2];
};

/// next() gives the batches of first_step, first_step + 1, ... An exception of the thread is thrown
/// there. ahead: a thread of its own makes batches while the device computes. Where the device is
/// the CPU itself, a third thread on two cores only breaks the others' step: there next() makes the
/// batch on libtorch's pool (measured with the quick preset on two cores: 1.2 times as fast as with
/// the thread), and all of it counts as waiting.
class Loader {
 public:
  Loader(const TrainingData& data, const TrainOptions& options, uint64_t seed, int64_t first_step,
         bool ahead);
  ~Loader();
  Batch next();
  double waited_s() const { return waited_s_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  double waited_s_ = 0;
};

}  // namespace likeness::train
