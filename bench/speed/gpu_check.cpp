// SPDX-License-Identifier: Apache-2.0
// Trains a small model on the GPU and checks what a GPU could get wrong: that the loss falls, that
// the averaged weights and a model written and read again give the same face on the CPU. Run by
// scripts/gpu-check. With `--device cpu` the same on the CPU: what a libtorch of another version
// could get wrong.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <torch/version.h>

#include "likeness/nets/precision.h"
#include "likeness/train/trainer.h"

namespace {

using namespace likeness;

/// Discs that move with the row, of another colour per side.
train::PreparedData moving_discs(int px, int rows) {
  train::PreparedData data;
  for (int s = 0; s < 2; ++s) {
    auto& side = data.side[s];
    side.images = torch::empty({rows, 3, px, px}, torch::kUInt8);
    side.masks = torch::full({rows, 1, px, px}, 255, torch::kUInt8);
    auto pixels = side.images.accessor<uint8_t, 4>();
    for (int r = 0; r < rows; ++r)
      for (int y = 0; y < px; ++y)
        for (int x = 0; x < px; ++x) {
          const bool inside = std::hypot(x - px * (0.3 + 0.4 * r / rows), y - px * 0.5) < px * 0.25;
          pixels[r][0][y][x] = static_cast<uint8_t>(inside ? (s ? 220 : 60) : 20);
          pixels[r][1][y][x] = static_cast<uint8_t>(inside ? (s ? 90 : 160) : 40);
          pixels[r][2][y][x] = static_cast<uint8_t>(inside ? 80 : y);
        }
    side.targets = side.images;
    side.held_out = {1, rows / 2};
  }
  return data;
}

bool check(bool good, const char* what) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", what);
  return good;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool cpu = argc == 3 && std::string(argv[1]) == "--device" && std::string(argv[2]) == "cpu";
  if (argc > 1 && !cpu) {
    std::fprintf(stderr, "usage: gpu_check [--device cpu]\n");
    return 2;
  }
  const char* where = cpu ? "cpu" : "cuda";
  if (!cpu && !torch::cuda::is_available()) {
    std::printf("no GPU: libtorch %s sees no CUDA device on this machine; nothing was trained\n",
                TORCH_VERSION);
    return 0;
  }
  const auto device = nets::pick_device(where);
  std::printf("libtorch %s, %d CUDA device(s), auto precision is %s\n", TORCH_VERSION,
              static_cast<int>(torch::cuda::device_count()),
              nets::pick_precision("auto", device) == nets::Precision::kBFloat16 ? "bf16" : "f32");
  const auto folder =
      std::filesystem::temp_directory_path() / ("likeness-gpu-check-" + std::to_string(::getpid()));
  bool good = true;
  for (const char* precision : {"f32", "auto"}) {
    train::TrainOptions options;
    options.net = {"df", "ud", 64, 64, 16, 16, 8};
    options.batch = 8;
    options.device = where;
    options.precision = precision;
    options.learning_rate = 1e-3;
    options.schedule = "constant";
    options.steps = 300;
    options.preview_every_s = 0;
    options.gan_weight = 0.01;
    std::filesystem::remove_all(folder);
    train::Trainer trainer(options, moving_discs(64, 24), folder);
    const auto before = trainer.evaluate();
    Progress progress;
    const Cancel cancel;
    const auto report = trainer.run(progress, cancel);
    std::printf("%s: %.1f ms/step, loader wait %.1f %%, held-out SSIM %.3f -> %.3f, %.3f -> %.3f\n",
                precision, report.ms_per_step, report.loader_wait_pct, before.ssim[0],
                report.held_out.ssim[0], before.ssim[1], report.held_out.ssim[1]);
    for (int s = 0; s < 2; ++s)
      good &= check(report.held_out.ssim[s] > before.ssim[s] + 0.1, "training learns");
    trainer.export_model(folder / "model.safetensors", false);
    const auto model = train::load_model(folder / "model.safetensors", "cpu", "f32");
    {
      torch::NoGradGuard no_grad;
      const auto x = torch::rand({2, 3, 64, 64});
      const auto here = trainer.averaged_net().swap({x.to(device), {}}).rgb.to(torch::kCPU);
      const double difference = (here - model.net->swap({x, {}}).rgb).abs().max().item<double>();
      good &=
          check(difference < 0.05, "the exported model gives the same face on the CPU, in float32");
    }
    options.steps = 310;
    auto resumed = train::Trainer::resume(options, moving_discs(64, 24), folder);
    good &= check(resumed->run(progress, cancel).step == 310, "the run resumes");
  }
  std::filesystem::remove_all(folder);
  return good ? 0 : 1;
} catch (const likeness::Error& e) {
  std::fprintf(stderr, "error: %s\n%s\n", e.what(), e.hint().c_str());
  return likeness::exit_status(e.code());
}
