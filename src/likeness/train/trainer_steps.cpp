// SPDX-License-Identifier: Apache-2.0
// The training loop.
#include <cmath>
#include <thread>

#include "likeness/base/threads.h"
#include "likeness/train/trainer_impl.h"

namespace likeness::train {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void to_device(Batch& batch, const torch::Device& device) {
  if (device.is_cpu()) return;
  const auto move = [&](torch::Tensor& t) {
    if (t.defined()) t = t.to(device, /*non_blocking=*/true);
  };
  for (int s = 0; s < 2; ++s)
    for (auto* t : {&batch.input[s].image, &batch.input[s].base, &batch.target[s].rgb,
                    &batch.target[s].weight, &batch.target[s].priority, &batch.target[s].mask})
      move(*t);
}

void add(nets::LossTerms& sum, const nets::LossTerms& t) {
  sum.dssim += t.dssim;
  sum.pixel += t.pixel;
  sum.priority += t.priority;
  sum.mask += t.mask;
  sum.edge += t.edge;
}

nlohmann::json terms_json(const nets::LossTerms& t, double n) {
  return {{"dssim", t.dssim / n},
          {"pixel", t.pixel / n},
          {"priority", t.priority / n},
          {"mask", t.mask / n},
          {"edge", t.edge / n}};
}

/// A timer that says once per interval that it is due.
struct Every {
  double interval_s;
  Clock::time_point last = Clock::now();
  bool due() {
    if (interval_s <= 0 || seconds_since(last) < interval_s) return false;
    last = Clock::now();
    return true;
  }
};

}  // namespace

double Trainer::Impl::elapsed_s() const {
  return elapsed_before_s + (running ? seconds_since(run_start) - paused_s : 0);
}

double Trainer::Impl::fraction() const {
  double f = 0;
  if (options.steps > 0)
    f = std::max(f, static_cast<double>(step) / static_cast<double>(options.steps));
  if (options.minutes > 0) f = std::max(f, elapsed_s() / (60 * options.minutes));
  return f;
}

torch::Tensor Trainer::Impl::extra_loss(const nets::FaceOutput (&out)[2], const Batch& batch) {
  torch::Tensor loss;
  const auto add_term = [&](const torch::Tensor& t) { loss = loss.defined() ? loss + t : t; };
  if (options.embedding_weight > 0 && hooks.embedding_loss)
    add_term(options.embedding_weight * hooks.embedding_loss(out[0].rgb, batch.target[0].rgb));
  if (gan) {
    for (auto& p : gan->parameters()) p.set_requires_grad(false);
    add_term(options.gan_weight *
             nets::generator_loss(*gan, out[0].rgb, batch.target[0].rgb, batch.target[0].weight));
    for (auto& p : gan->parameters()) p.set_requires_grad(true);
  }
  return loss;
}

void Trainer::Impl::train_discriminator(const nets::FaceOutput& out, const Batch& batch) {
  const auto& weight = batch.target[0].weight;
  const auto masked = [&](const torch::Tensor& rgb) {
    return weight.defined() ? rgb.detach() * weight : rgb.detach();
  };
  nets::discriminator_loss(*gan, masked(batch.target[0].rgb), masked(out.rgb)).backward();
  gan_optimiser->step(options.learning_rate * rate_scale);
}

bool Trainer::Impl::train_step(Batch batch, StepSums& sums) {
  to_device(batch, device);
  const nets::LossWeights weights{options.dssim_weight, options.l1_weight,
                                  options.mse_weight,   options.priority_weight,
                                  options.mask_weight,  options.edge_weight};
  auto outputs = net->reconstruct_both(batch.input[0], batch.input[1]);
  const nets::FaceOutput out[2] = {outputs[0], outputs[1]};
  // On a GPU the terms cost a wait for the device: only for the step that is logged.
  const bool wants_terms = device.is_cpu() || (step + 1) % options.log_every_steps == 0;
  nets::LossTerms terms[2];
  auto loss = nets::face_loss(out[0], batch.target[0], weights, wants_terms ? &terms[0] : nullptr) +
              nets::face_loss(out[1], batch.target[1], weights, wants_terms ? &terms[1] : nullptr);
  const auto extra = extra_loss(out, batch);
  if (extra.defined()) loss = loss + extra;
  loss.backward();
  const double rate = options.learning_rate * rate_scale *
                      nets::rate_factor(options.schedule, step, options.warmup_steps, fraction(),
                                        options.final_rate);
  const auto result = optimiser->step(rate);
  if (!result.finite) return false;
  if (gan) train_discriminator(out[0], batch);
  ++step;
  const double n =
      device.is_cpu() ? 1 : options.log_every_steps;  // one value stands for the interval
  for (int s = 0; s < 2; ++s) {
    for (int i = 0; i < static_cast<int>(n) && wants_terms; ++i) add(sums.terms[s], terms[s]);
    sums.loss += wants_terms ? terms[s].total() * n : 0;
  }
  sums.gradient_norm += result.gradient_norm;
  if (extra.defined()) sums.extra += extra.item<double>();
  ++sums.steps;
  return true;
}

std::unique_ptr<Loader> Trainer::Impl::make_loader() const {
  // After a recovery the samples come in another order, so that the same batch does not blow up
  // again.
  const uint64_t seed = static_cast<uint64_t>(options.seed) +
                        0x9e3779b97f4a7c15ull * static_cast<uint64_t>(recoveries);
  return std::make_unique<Loader>(data, options, seed, step, !device.is_cpu());
}

void Trainer::Impl::recover(std::unique_ptr<Loader>& loader) {
  constexpr int kMost = 10;
  const int64_t failed_at = step;
  const int count = recoveries + 1;
  const double scale = rate_scale * 0.5, elapsed = elapsed_s();
  if (count > kMost)
    throw Error(ErrorCode::kInternal,
                "the loss is not a number again and again, last at step " + std::to_string(step),
                "lower learning_rate, or use precision=f32");
  finish_saving();
  for (const auto& [at, path] : list_checkpoints(folder)) {
    try {
      restore(read_checkpoint(path));
      break;
    } catch (const Error& e) {
      log_warning(e.what());
    }
  }
  recoveries = count;
  rate_scale = scale;
  elapsed_before_s += elapsed - elapsed_s();  // time that was spent stays spent
  log_warning("the gradient is not finite at step " + std::to_string(failed_at) +
              ": back to step " + std::to_string(step) + ", learning rate times " +
              std::to_string(scale));
  log.write(
      {{"event", "recovered"}, {"failed_step", failed_at}, {"step", step}, {"rate_scale", scale}});
  loader = make_loader();
}

nlohmann::json Trainer::Impl::write_log_line(const StepSums& sums) {
  const double n = static_cast<double>(sums.steps);
  nlohmann::json line = {{"step", step},
                         {"time_s", elapsed_s()},
                         {"loss", sums.loss / n},
                         {"identity", terms_json(sums.terms[0], n)},
                         {"performer", terms_json(sums.terms[1], n)},
                         {"gradient_norm", sums.gradient_norm / n},
                         {"ms_per_step", 1e3 * sums.step_s / n},
                         {"wait_pct", sums.step_s > 0 ? 100 * sums.wait_s / sums.step_s : 0}};
  if (sums.extra != 0) line["extra"] = sums.extra / n;
  log.write(line);
  if (hooks.on_log) hooks.on_log(line);
  return line;
}

std::optional<std::string> Trainer::Impl::reached_target() const {
  if (options.steps > 0 && step >= options.steps) return "steps";
  if (options.minutes > 0 && elapsed_s() >= 60 * options.minutes) return "minutes";
  if (options.plateau_minutes > 0 && best_score >= 0 &&
      elapsed_s() - best_score_at_s >= 60 * options.plateau_minutes)
    return "plateau";
  return std::nullopt;
}

void Trainer::Impl::wait_while_paused(const Cancel& cancel) {
  if (!hooks.paused || !hooks.paused()) return;
  const auto start = Clock::now();
  save(true);
  while (!cancel.requested() && hooks.paused())
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  paused_s += seconds_since(start);
}

TrainReport Trainer::Impl::run(Progress& progress, const Cancel& cancel) {
  if (options.steps <= 0 && options.minutes <= 0 && options.plateau_minutes <= 0)
    throw Error(ErrorCode::kUsage, "training has no target",
                "give steps, minutes or plateau_minutes");
  flush_denormals();
  run_start = Clock::now();
  paused_s = 0;
  running = true;
  const auto stop_clock = [&] {
    elapsed_before_s = elapsed_s();
    running = false;
  };
  try {
    auto report = loop(progress, cancel);
    stop_clock();
    return report;
  } catch (const c10::Error& e) {
    stop_clock();
    const std::string what = e.what_without_backtrace();
    if (what.find("alloc") != std::string::npos || what.find("out of memory") != std::string::npos)
      throw Error(ErrorCode::kNoSpace, "memory is full: " + what.substr(0, 200),
                  "lower batch from " + std::to_string(options.batch) + " to " +
                      std::to_string(std::max(1, options.batch / 2)));
    throw Error(ErrorCode::kInternal, "libtorch: " + what.substr(0, 500));
  } catch (...) {
    stop_clock();
    throw;
  }
}

TrainReport Trainer::Impl::loop(Progress& progress, const Cancel& cancel) {
  const bool by_steps = options.steps > 0;
  progress.begin("train", by_steps ? static_cast<double>(options.steps) : 60 * options.minutes,
                 by_steps ? "steps" : "s");
  if (list_checkpoints(folder).empty()) save(true);  // there is always a state to step back to
  auto loader = make_loader();
  Every save_timer{options.save_every_s}, preview_timer{options.preview_every_s},
      evaluate_timer{options.evaluate_every_s};
  TrainReport report;
  StepSums sums;
  double total_s = 0, total_wait_s = 0;
  int64_t total_steps = 0;
  std::optional<std::string> stopped;
  while (
      !(stopped = cancel.requested() ? std::optional<std::string>("cancel") : reached_target())) {
    const auto start = Clock::now();
    const double waited = loader->waited_s();
    auto batch = loader->next();
    LIKENESS_REQUIRE(batch.step == step);
    const double wait = loader->waited_s() - waited;
    if (!train_step(std::move(batch), sums)) {
      recover(loader);
      sums = {};
      continue;
    }
    const double took = seconds_since(start);
    sums.step_s += took;
    sums.wait_s += wait;
    total_s += took;
    total_wait_s += wait;
    ++total_steps;
    if (step % options.log_every_steps == 0) {
      report.loss = write_log_line(sums).at("loss");
      char detail[96];
      std::snprintf(detail, sizeof detail, "step %lld, loss %.4f, %.0f ms/step",
                    static_cast<long long>(step), report.loss,
                    1e3 * sums.step_s / static_cast<double>(sums.steps));
      progress.set(by_steps ? static_cast<double>(step) : elapsed_s(), detail);
      sums = {};
    }
    if (evaluate_timer.due()) evaluate();
    if (preview_timer.due()) write_preview();
    if (save_timer.due()) save(false);
    wait_while_paused(cancel);
  }
  loader.reset();
  report.held_out = evaluate();
  if (options.preview_every_s > 0) write_preview();
  save(true);
  progress.set(by_steps ? static_cast<double>(step) : elapsed_s());
  progress.end();
  report.step = step;
  report.elapsed_s = elapsed_s();
  report.ms_per_step = total_steps ? 1e3 * total_s / static_cast<double>(total_steps) : 0;
  report.loader_wait_pct = total_s > 0 ? 100 * total_wait_s / total_s : 0;
  report.nan_recoveries = recoveries;
  report.stopped_by = *stopped;
  return report;
}

}  // namespace likeness::train
