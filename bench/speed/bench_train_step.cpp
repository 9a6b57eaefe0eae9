// SPDX-License-Identifier: Apache-2.0
// How much of the machine's own convolution peak does a training step reach?
//
//   bench_train_step [--presets quick,standard] [--seconds 20] [--precision auto] [--batch 0]
//   [--json]
//
// One run measures both: first the best rate over some shapes of plain convolutions (forward and
// both gradients, with nothing else around them), then whole steps of the Trainer on made-up faces:
// loader, forward, losses, backward, optimiser, average. Its operations are counted from the
// convolutions and matrix products that the step really runs, with the gradients it really asks
// for; elementwise work, losses and the optimiser count as zero. Rates are of the best trial and of
// the median step.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <ATen/record_function.h>

#include "likeness/base/threads.h"
#include "likeness/nets/precision.h"
#include "likeness/train/trainer.h"

namespace {

using namespace likeness;
using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
void wait_for(const torch::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

struct ConvShape {
  int64_t n, in, out, px, kernel, stride;
};
// Shapes as face networks have them, large and small.
const ConvShape kShapes[] = {{16, 128, 128, 48, 3, 1},  {16, 256, 256, 24, 3, 1},
                             {16, 256, 1024, 12, 3, 1}, {16, 64, 64, 96, 3, 1},
                             {16, 64, 128, 48, 5, 2},   {16, 512, 512, 12, 3, 1}};

/// Best rate over trials and memory formats, in FLOP/s.
double conv_rate(const ConvShape& s, torch::ScalarType type, const torch::Device& device) {
  const double flop = 3 * 2.0 * static_cast<double>(s.n * s.in * s.out * s.kernel * s.kernel) *
                      static_cast<double>((s.px / s.stride) * (s.px / s.stride));
  double best = 0;
  for (auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
    const auto options = torch::TensorOptions(device).dtype(torch::kFloat32);
    const auto make = [&](at::IntArrayRef shape) {
      return torch::randn(shape, options).mul_(0.1).to(type).contiguous(format);
    };
    const auto x = make({s.n, s.in, s.px, s.px}), w = make({s.out, s.in, s.kernel, s.kernel});
    const auto g = make({s.n, s.out, s.px / s.stride, s.px / s.stride});
    const int64_t pad = s.kernel / 2;
    const torch::Tensor bias = torch::zeros({s.out}, options).to(type);
    for (int trial = 0; trial < 5; ++trial) {
      wait_for(device);
      const auto start = Clock::now();
      at::conv2d(x, w, bias, s.stride, pad);
      at::convolution_backward(g, x, w, at::OptionalIntArrayRef(at::IntArrayRef{s.out}),
                               {s.stride, s.stride}, {pad, pad}, {1, 1}, false, {0, 0}, 1,
                               {true, true, true});
      wait_for(device);
      best = std::max(best, flop / seconds_since(start));
    }
  }
  return best;
}

double conv_peak(torch::ScalarType type, const torch::Device& device) {
  torch::NoGradGuard no_grad;
  double best = 0;
  for (const auto& s : kShapes) {
    const double rate = conv_rate(s, type, device);
    std::fprintf(stderr, "  conv %4ld -> %4ld  %3ld px  k%ld s%ld  %-8s %8.1f GFLOP/s\n", s.in,
                 s.out, s.px, s.kernel, s.stride, torch::toString(type), rate / 1e9);
    best = std::max(best, rate);
  }
  return best;
}

/// Counts the convolutions and matrix products that run while it lives.
class FlopCounter {
 public:
  FlopCounter() {
    flop() = 0;
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&FlopCounter::on_call)
                                        .needsInputs(true)
                                        .scopes({at::RecordScope::FUNCTION}));
  }
  ~FlopCounter() { at::removeCallback(handle_); }
  static double total() { return flop(); }

 private:
  static std::atomic<double>& flop() {
    static std::atomic<double> value{0};
    return value;
  }
  static void add(double v) { flop().store(flop().load() + v); }
  static std::unique_ptr<at::ObserverContext> on_call(const at::RecordFunction& fn) {
    const auto inputs = fn.inputs();
    const std::string name = fn.name();
    const auto tensor = [&](size_t i) { return inputs[i].toTensor(); };
    if (name == "aten::convolution") {
      const auto x = tensor(0), w = tensor(1);
      const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector();
      double positions = static_cast<double>(x.size(0));
      for (size_t d = 0; d < 2; ++d) {
        const int64_t pad = padding[std::min(d, padding.size() - 1)];
        const int64_t step = stride[std::min(d, stride.size() - 1)];
        positions *= static_cast<double>((x.size(2 + d) + 2 * pad - w.size(2 + d)) / step + 1);
      }
      add(2 * positions * static_cast<double>(w.numel()));
    } else if (name == "aten::convolution_backward") {
      const auto g = tensor(0), w = tensor(2);
      const auto mask = inputs[inputs.size() - 1].toBoolList();
      add(2.0 * static_cast<double>(g.size(0) * g.size(2) * g.size(3) * w.numel()) *
          ((mask[0] ? 1 : 0) + (mask[1] ? 1 : 0)));
    } else if (name == "aten::addmm" || name == "aten::mm") {
      const size_t first = name == "aten::addmm" ? 1 : 0;
      const auto a = tensor(first), b = tensor(first + 1);
      add(2.0 * static_cast<double>(a.size(0) * a.size(1) * b.size(1)));
    }
    return nullptr;
  }
  at::CallbackHandle handle_;
};

train::PreparedData made_up_faces(int px, bool base) {
  train::PreparedData data;
  for (auto& side : data.side) {
    const auto bytes = [&](int64_t channels) {
      return torch::randint(0, 256, {64, channels, px, px}, torch::kUInt8);
    };
    side.images = side.targets = bytes(3);
    side.masks = torch::full({64, 1, px, px}, 255, torch::kUInt8);
    side.priority = bytes(1);
    if (base) side.base = bytes(3);
  }
  return data;
}

train::TrainOptions preset_options(const std::string& name) {
  train::TrainOptions options;
  auto json =
      read_toml(std::string(LIKENESS_SOURCE_DIR) + "/presets/" + name + ".toml").at("train");
  const auto known = options_to_json(options);
  for (auto it = json.begin(); it != json.end();)
    it = known.contains(it.key()) ? std::next(it)
                                  : json.erase(it);  // the task has options of its own
  options_from_json(options, json);
  return options;
}

struct StepResult {
  double flop = 0, median_ms = 0, best_ms = 0, wait_pct = 0;
  int64_t steps = 0;
  double parameters = 0;
};

StepResult measure_step(train::TrainOptions options, double seconds) {
  options.log_every_steps = 1;
  options.save_every_s = options.evaluate_every_s = 1e6;
  options.preview_every_s = 0;
  options.schedule = "constant";
  options.plateau_minutes = 0;
  const auto folder =
      std::filesystem::temp_directory_path() / ("bench-train-" + std::to_string(::getpid()));
  std::vector<double> ms;
  StepResult result;
  Cancel stop;
  bool timing = false;
  Clock::time_point start;
  train::TrainHooks hooks;
  hooks.on_log = [&](const nlohmann::json& line) {
    if (!timing || line.contains("event")) return;
    ms.push_back(line.at("ms_per_step"));
    if (seconds_since(start) > seconds) stop.request();
  };
  {
    train::Trainer trainer(options,
                           made_up_faces(options.net.resolution_px, options.net.family == "fast"),
                           folder, {}, hooks);
    for (const auto& p : trainer.net().parameters())
      result.parameters += static_cast<double>(p.numel());
    Progress progress;
    const Cancel never;
    trainer.set_targets(1, 0);
    trainer.run(progress, never);  // first touches of memory, kernels compiled
    {
      FlopCounter counter;
      trainer.set_targets(2, 0);
      trainer.run(progress, never);
      result.flop = FlopCounter::total();
    }
    timing = true;
    start = Clock::now();
    trainer.set_targets(1'000'000, 0);
    const auto report = trainer.run(progress, stop);
    result.wait_pct = report.loader_wait_pct;
  }
  std::filesystem::remove_all(folder);
  std::sort(ms.begin(), ms.end());
  result.steps = static_cast<int64_t>(ms.size());
  result.median_ms = ms[ms.size() / 2];
  result.best_ms = ms.front();
  return result;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string presets = "quick,standard", precision_name = "auto";
  double seconds = 20;
  int batch = 0;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&] {
      return i + 1 < argc ? std::string(argv[++i])
                          : throw Error(ErrorCode::kUsage, flag + " wants a value");
    };
    if (flag == "--presets")
      presets = value();
    else if (flag == "--seconds")
      seconds = std::stod(value());
    else if (flag == "--precision")
      precision_name = value();
    else if (flag == "--batch")
      batch = std::stoi(value());
    else if (flag == "--json")
      json = true;
    else
      throw Error(ErrorCode::kUsage, "unknown flag " + flag, "see the top of bench_train_step.cpp");
  }
  flush_denormals();
  at::set_num_threads(thread_count());
  const auto device = nets::pick_device("auto");
  const auto precision = nets::pick_precision(precision_name, device);
  const char* type = precision == nets::Precision::kBFloat16 ? "bf16" : "f32";
  std::fprintf(stderr, "%s, %d threads, %s\n", device.str().c_str(), thread_count(), type);
  nlohmann::json out = {{"device", device.str()}, {"threads", thread_count()}, {"precision", type}};
  std::stringstream names(presets);
  for (std::string name; std::getline(names, name, ',');) {
    auto options = preset_options(name);
    options.precision = type;
    if (batch > 0) options.batch = batch;
    const double before = conv_peak(nets::scalar_type(precision), device);
    const auto r = measure_step(options, seconds);
    const double peak = std::max(before, conv_peak(nets::scalar_type(precision), device));
    const double rate = r.flop / (1e-3 * r.median_ms), best = r.flop / (1e-3 * r.best_ms);
    out["presets"][name] = {{"parameters_m", r.parameters / 1e6}, {"batch", options.batch},
                            {"gflop_per_step", r.flop / 1e9},     {"ms_per_step", r.median_ms},
                            {"ms_best_step", r.best_ms},          {"steps", r.steps},
                            {"loader_wait_pct", r.wait_pct},      {"peak_gflops", peak / 1e9},
                            {"step_gflops", rate / 1e9},          {"ratio", rate / peak},
                            {"ratio_best", best / peak}};
    if (!json)
      std::printf(
          "%-9s %6.2f M weights, batch %d+%d: %7.1f GFLOP in %7.1f ms = %6.1f GFLOP/s, %4.1f %% of "
          "the "
          "convolution peak %.1f GFLOP/s (best step %4.1f %%); loader wait %.2f %%; %ld steps\n",
          name.c_str(), r.parameters / 1e6, options.batch, options.batch, r.flop / 1e9, r.median_ms,
          rate / 1e9, 100 * rate / peak, peak / 1e9, 100 * best / peak, r.wait_pct, r.steps);
  }
  if (json) std::printf("%s\n", out.dump(2).c_str());
  return 0;
} catch (const likeness::Error& e) {
  std::fprintf(stderr, "error: %s\n%s\n", e.what(), e.hint().c_str());
  return likeness::exit_status(e.code());
}
