// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/loader.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>

#include <ATen/Parallel.h>

#include "likeness/base/threads.h"
#include "likeness/train/augment.h"

namespace likeness::train {
namespace {

const char* side_name(int side) { return side ? "performer" : "identity"; }

void check_field(const torch::Tensor& t, const char* field, int side, int64_t rows,
                 int64_t channels, int64_t px) {
  const auto wrong = [&](const std::string& what) {
    throw Error(ErrorCode::kBadInput,
                std::string("prepared data of the ") + side_name(side) + ": " + field + " " + what,
                "prepare the faces again");
  };
  if (!t.defined()) wrong("is missing");
  if (t.scalar_type() != torch::kUInt8 || !t.device().is_cpu() || !t.is_contiguous())
    wrong("is not contiguous uint8 on the CPU");
  if (t.dim() != 4 || t.size(0) != rows || t.size(1) != channels || t.size(2) != px ||
      t.size(3) != px)
    wrong("has another shape than " + std::to_string(rows) + " x " + std::to_string(channels) +
          " x " + std::to_string(px) + " x " + std::to_string(px));
}

const uint8_t* row_of(const torch::Tensor& t, int64_t row) {
  return t.data_ptr<uint8_t>() + row * t.stride(0);
}

torch::Tensor soften(const torch::Tensor& masks) {
  auto out = torch::empty_like(masks);
  for (int64_t begin = 0; begin < masks.size(0); begin += 64) {
    const int64_t count = std::min<int64_t>(64, masks.size(0) - begin);
    const auto soft = nets::soften_masks(masks.narrow(0, begin, count).to(torch::kFloat32) / 255.0);
    out.narrow(0, begin, count).copy_((soft * 255).round().clamp(0, 255));
  }
  return out;
}

}  // namespace

void check_prepared(const PreparedData& data) {
  const auto& first = data.side[0].images;
  const int64_t px = first.defined() && first.dim() == 4 ? first.size(3) : 0;
  const bool has_base = data.side[0].base.defined();
  for (int s = 0; s < 2; ++s) {
    const auto& side = data.side[s];
    const int64_t rows = side.images.defined() && side.images.dim() == 4 ? side.images.size(0) : 0;
    check_field(side.images, "images", s, rows, 3, px);
    check_field(side.targets, "targets", s, rows, 3, px);
    check_field(side.masks, "masks", s, rows, 1, px);
    if (side.priority.defined()) check_field(side.priority, "priority", s, rows, 1, px);
    if (has_base || side.base.defined()) check_field(side.base, "base", s, rows, 3, px);
    for (int64_t row : side.held_out)
      if (row < 0 || row >= rows)
        throw Error(ErrorCode::kBadInput,
                    std::string("prepared data of the ") + side_name(s) + ": held-out row " +
                        std::to_string(row) + " does not exist",
                    "prepare the faces again");
    std::vector<int64_t> held = side.held_out;
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    if (rows - static_cast<int64_t>(held.size()) < 2)
      throw Error(ErrorCode::kBadInput,
                  std::string("too few faces of the ") + side_name(s) + " to train on",
                  "extract more footage of this subject");
  }
}

TrainingData make_training_data(PreparedData data, bool masked) {
  check_prepared(data);
  torch::NoGradGuard no_grad;
  TrainingData out;
  out.data = std::move(data);
  for (int s = 0; s < 2; ++s) {
    const auto& side = out.data.side[s];
    std::vector<char> held(side.images.size(0), 0);
    for (int64_t row : side.held_out) held[row] = 1;
    for (int64_t row = 0; row < side.images.size(0); ++row)
      if (!held[row]) out.train_rows[s].push_back(row);
    if (masked) out.weights[s] = soften(side.masks);
  }
  return out;
}

RowOrder::RowOrder(const std::vector<int64_t>& rows, uint64_t seed, int side)
    : rows_(rows), seed_(seed), side_(side) {}

int64_t RowOrder::row(int64_t index) {
  const int64_t n = static_cast<int64_t>(rows_.size()), epoch = index / n;
  if (epoch != epoch_) {
    order_ = rows_;
    Rng rng(seed_, epoch, side_ ? "order-performer" : "order-identity");
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i)]);
    epoch_ = epoch;
  }
  return order_[index % n];
}

BatchMaker::BatchMaker(const TrainingData& data, const TrainOptions& options, uint64_t seed,
                       Threads threads)
    : data_(data),
      options_(options),
      seed_(seed),
      threads_(threads),
      order_{RowOrder(data.train_rows[0], seed, 0), RowOrder(data.train_rows[1], seed, 1)} {}

void BatchMaker::fill(Batch& batch, int s, int i, int64_t row) const {
  const auto& side = data_.data.side[s];
  const int px = static_cast<int>(side.images.size(3));
  const int64_t area = static_cast<int64_t>(px) * px, index = batch.step * options_.batch + i;
  Rng rng(seed_, index, s ? "augment-performer" : "augment-identity");
  const auto a = draw_augmentation(options_, px, rng);
  static thread_local SampleMap straight, bent;
  affine_map(a, px, straight);
  bent_map(a, px, bent);
  float* image = batch.input[s].image.data_ptr<float>() + 3 * area * i;
  sample_bilinear(row_of(side.images, row), 3, px, bent, false, image);
  if (options_.colour > 0) recolour(a, px, image);
  if (side.base.defined())
    sample_bicubic(row_of(side.base, row), 3, px, straight,
                   batch.input[s].base.data_ptr<float>() + 3 * area * i);
  auto& t = batch.target[s];
  sample_bicubic(row_of(side.targets, row), 3, px, straight,
                 t.rgb.data_ptr<float>() + 3 * area * i);
  sample_bilinear(row_of(side.masks, row), 1, px, straight, true,
                  t.mask.data_ptr<float>() + area * i);
  if (t.weight.defined())
    sample_bilinear(row_of(data_.weights[s], row), 1, px, straight, true,
                    t.weight.data_ptr<float>() + area * i);
  if (t.priority.defined())
    sample_bilinear(row_of(side.priority, row), 1, px, straight, true,
                    t.priority.data_ptr<float>() + area * i);
}

Batch BatchMaker::make(int64_t step) {
  Batch batch;
  batch.step = step;
  const int64_t n = options_.batch, px = data_.data.side[0].images.size(3);
  for (int s = 0; s < 2; ++s) {
    const auto& side = data_.data.side[s];
    batch.input[s].image = torch::empty({n, 3, px, px});
    if (side.base.defined()) batch.input[s].base = torch::empty({n, 3, px, px});
    auto& t = batch.target[s];
    t.rgb = torch::empty({n, 3, px, px});
    t.mask = torch::empty({n, 1, px, px});
    if (data_.weights[s].defined()) t.weight = torch::empty({n, 1, px, px});
    if (side.priority.defined()) t.priority = torch::empty({n, 1, px, px});
    std::vector<int64_t> rows(n);
    for (int64_t i = 0; i < n; ++i) rows[i] = order_[s].row(step * n + i);
    const auto fill_rows = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) fill(batch, s, static_cast<int>(i), rows[i]);
    };
    if (threads_ == Threads::kTorch)
      at::parallel_for(0, n, 1, fill_rows);
    else if (threads_ == Threads::kOwn)
      parallel_for(0, static_cast<int>(n), [&](int i) { fill_rows(i, i + 1); });
    else
      fill_rows(0, n);
  }
  return batch;
}

nets::FaceBatch BatchMaker::plain_input(const TrainingData& data, int s,
                                        const std::vector<int64_t>& rows) {
  const auto index = torch::tensor(rows, torch::kInt64);
  const auto pick = [&](const torch::Tensor& t) {
    return t.index_select(0, index).to(torch::kFloat32).div_(255.0);
  };
  const auto& side = data.data.side[s];
  nets::FaceBatch out{pick(side.images), {}};
  if (side.base.defined()) out.base = pick(side.base);
  return out;
}

struct Loader::Impl {
  struct Item {
    Batch batch;
    std::exception_ptr error;
  };
  std::optional<BatchMaker> here;  // when not made ahead
  int64_t next_step = 0;
  BoundedQueue<Item> queue{2};
  std::thread thread;
};

Loader::Loader(const TrainingData& data, const TrainOptions& options, uint64_t seed,
               int64_t first_step, bool ahead)
    : impl_(std::make_unique<Impl>()) {
  if (!ahead) {
    impl_->here.emplace(data, options, seed, BatchMaker::Threads::kTorch);
    impl_->next_step = first_step;
    return;
  }
  impl_->thread = std::thread([&queue = impl_->queue,
                               maker = BatchMaker(data, options, seed, BatchMaker::Threads::kOwn),
                               first_step]() mutable {
    flush_denormals();
    try {
      for (int64_t step = first_step; queue.push({maker.make(step), nullptr}); ++step) {
      }
    } catch (...) {
      queue.push({Batch{}, std::current_exception()});
    }
  });
}

Loader::~Loader() {
  impl_->queue.close();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Batch Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  std::optional<Impl::Item> item;
  if (impl_->here)
    item = Impl::Item{impl_->here->make(impl_->next_step++), nullptr};
  else
    item = impl_->queue.pop();
  waited_s_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  LIKENESS_REQUIRE(item.has_value());
  if (item->error) std::rethrow_exception(item->error);
  return std::move(item->batch);
}

}  // namespace likeness::train
