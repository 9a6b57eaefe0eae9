// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/trainer.h"

#include "likeness/base/threads.h"
#include "likeness/train/trainer_impl.h"

namespace likeness::train {

void convert_module(torch::nn::Module& module, const torch::Device& device,
                    torch::ScalarType type) {
  torch::NoGradGuard no_grad;
  module.to(device);
  for (auto& p : module.parameters()) {
    const auto value = p.detach().to(type);
    p.set_data(value.dim() == 4 ? value.contiguous(at::MemoryFormat::ChannelsLast)
                                : value.contiguous());
  }
}

namespace {

nets::OptimiserOptions optimiser_options(const TrainOptions& o) {
  nets::OptimiserOptions out;
  out.kind = o.optimiser;
  out.weight_decay = o.weight_decay;
  out.clip_norm = o.clip_norm;
  out.lr_dropout = o.lr_dropout;
  out.ema_decay = o.ema_decay;
  out.seed = static_cast<uint64_t>(o.seed);
  return out;
}

/// What must stay the same when a run goes on.
void check_same_network(const TrainOptions& now, const nlohmann::json& before) {
  const auto differs = [&](const std::string& name, const nlohmann::json& value) {
    const auto it = before.find(name);
    if (it != before.end() && *it == value) return;
    throw Error(ErrorCode::kUsage,
                "option " + name + " is " + value.dump() + ", but the run was started with " +
                    (it == before.end() ? "none" : it->dump()),
                "use the same value, or train a new model");
  };
  const auto options = options_to_json(now);
  const auto network = options_to_json(now.net);  // items() refers to it
  for (const auto& [name, value] : network.items()) differs(name, value);
  differs("seed", options.at("seed"));
  differs("optimiser", options.at("optimiser"));
  differs("batch", options.at("batch"));
}

}  // namespace

Trainer::Impl::Impl(TrainOptions o, PreparedData prepared, std::filesystem::path f, ModelExtras e,
                    TrainHooks h)
    : options(std::move(o)), folder(std::move(f)), extras(std::move(e)), hooks(std::move(h)) {
  validate_options(options);
  at::set_num_threads(thread_count());
  data = make_training_data(std::move(prepared), options.masked);
  const int64_t px = data.data.side[0].images.size(3);
  if (px != options.net.resolution_px)
    throw Error(ErrorCode::kBadInput,
                "the prepared faces have " + std::to_string(px) + " px, the network wants " +
                    std::to_string(options.net.resolution_px),
                "prepare the faces with the network's resolution_px");
  device = nets::pick_device(options.device);
  precision = nets::pick_precision(options.precision, device);
  torch::manual_seed(static_cast<uint64_t>(options.seed));
  net = nets::make_net(options.net);
  averaged = nets::make_net(options.net);
  net->to(device);
  optimiser =
      std::make_unique<nets::Optimiser>(*net, device, precision, optimiser_options(options));
  convert_module(*averaged, device, nets::scalar_type(precision));
  averaged->eval();
  if (options.gan_weight > 0) {
    gan = std::make_shared<nets::PatchDiscriminator>(options.gan_patch_px, options.gan_dims);
    auto gan_options = optimiser_options(options);
    gan_options.ema_decay = 0;
    gan_optimiser = std::make_unique<nets::Optimiser>(*gan, device, precision, gan_options);
  }
  std::error_code ec;
  std::filesystem::create_directories(folder / "previews", ec);
  if (ec)
    throw Error(ErrorCode::kIo, "cannot make the folder " + folder.string() + ": " + ec.message(),
                "choose a folder that can be written");
}

Trainer::Impl::~Impl() {
  if (saving.valid()) saving.wait();
}

void Trainer::Impl::restore(const Checkpoint& c) {
  const auto flat = [&](const char* name) {
    const auto it = c.tensors.find(name);
    return it == c.tensors.end() ? torch::Tensor() : it->second;
  };
  nets::Optimiser::State state{flat("master"), flat("first"), flat("second"), flat("average")};
  if (!state.average.defined())
    state.average = state.master;  // the average was off so far: it starts here
  try {
    optimiser->restore(state, c.state.at("optimiser_steps").get<int64_t>());
    if (gan && flat("gan_master").defined())
      gan_optimiser->restore(
          {flat("gan_master"), flat("gan_first"), flat("gan_second"), flat("gan_master")},
          c.state.at("gan_steps").get<int64_t>());
    elapsed_before_s = c.state.at("elapsed_s").get<double>();
    rate_scale = c.state.at("rate_scale").get<double>();
    recoveries = c.state.at("recoveries").get<int>();
    best_score = c.state.at("best_score").get<double>();
    best_score_at_s = c.state.at("best_score_at_s").get<double>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kDamaged, "the checkpoint lacks a part of the run's state",
                "train a new model");
  }
  step = c.step;
}

Trainer::Trainer(TrainOptions options, PreparedData data, std::filesystem::path folder,
                 ModelExtras extras, TrainHooks hooks) {
  if (has_checkpoint(folder))
    throw Error(ErrorCode::kUsage, folder.string() + " already holds a run",
                "resume it, or choose another folder");
  impl_ = std::make_unique<Impl>(std::move(options), std::move(data), std::move(folder),
                                 std::move(extras), std::move(hooks));
  impl_->log.open(impl_->folder / "log.jsonl", -1);
}

Trainer::Trainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trainer::~Trainer() = default;

bool Trainer::has_checkpoint(const std::filesystem::path& folder) {
  return !list_checkpoints(folder).empty();
}

namespace {
Checkpoint newest_whole_checkpoint(const std::filesystem::path& folder) {
  const auto all = list_checkpoints(folder);
  if (all.empty())
    throw Error(ErrorCode::kNotFound, "there is no checkpoint in " + folder.string(),
                "start a new run");
  for (const auto& [step, path] : all) {
    try {
      return read_checkpoint(path);
    } catch (const Error& e) {
      log_warning(std::string(e.what()) + "; trying an older one");
    }
  }
  throw Error(ErrorCode::kDamaged, "every checkpoint in " + folder.string() + " is damaged",
              "restore the folder from a copy, or train a new model");
}
}  // namespace

std::unique_ptr<Trainer> Trainer::resume(TrainOptions options, PreparedData data,
                                         std::filesystem::path folder, TrainHooks hooks) {
  const auto checkpoint = newest_whole_checkpoint(folder);
  check_same_network(options, checkpoint.options);
  ModelExtras extras{checkpoint.metadata, checkpoint.blobs};
  auto impl = std::make_unique<Impl>(std::move(options), std::move(data), std::move(folder),
                                     std::move(extras), std::move(hooks));
  impl->restore(checkpoint);
  impl->log.open(impl->folder / "log.jsonl", checkpoint.step);
  return std::unique_ptr<Trainer>(new Trainer(std::move(impl)));
}

TrainReport Trainer::run(Progress& progress, const Cancel& cancel) {
  return impl_->run(progress, cancel);
}
void Trainer::set_targets(int64_t steps, double minutes) {
  impl_->options.steps = steps;
  impl_->options.minutes = minutes;
}
int64_t Trainer::step() const { return impl_->step; }
nets::SwapNet& Trainer::net() { return *impl_->net; }
nets::SwapNet& Trainer::averaged_net() {
  impl_->refresh_average();
  return *impl_->averaged;
}
ModelExtras& Trainer::extras() { return impl_->extras; }
HeldOutMetrics Trainer::evaluate() { return impl_->evaluate(); }
void Trainer::save_checkpoint() { impl_->save(true); }
void Trainer::export_model(const std::filesystem::path& path, bool half_precision) {
  impl_->export_model(path, half_precision);
}

}  // namespace likeness::train
