// SPDX-License-Identifier: Apache-2.0
// Options of training. `visit` is the only declaration: flags, presets, schema and docs come from
// it.
#pragma once

#include <cstdint>
#include <string>

#include "likeness/base/options.h"
#include "likeness/nets/swap_net.h"

namespace likeness::train {

struct TrainOptions {
  nets::NetOptions net;

  // When to stop: the first target that is reached. 0 = not a target.
  int64_t steps = 0;
  double minutes = 0;
  double plateau_minutes = 0;  ///< stop when the held-out score has not improved for this long

  int batch = 8;  ///< per side
  std::string optimiser = "adabelief";
  double learning_rate = 3e-4;
  std::string schedule = "one_cycle";  ///< of the target: constant, cosine, one_cycle
  int warmup_steps = 50;
  double final_rate = 0.02;  ///< the rate at the end, of learning_rate
  double weight_decay = 0;
  double clip_norm = 1.0;
  double lr_dropout = 1.0;  ///< share of the weights updated in a step; 1 = all
  double ema_decay = 0.995;
  std::string precision = "auto";
  std::string device = "auto";

  double dssim_weight = 10, l1_weight = 0, mse_weight = 10;
  double priority_weight = 30, mask_weight = 10, edge_weight = 0;
  double embedding_weight = 0;
  double gan_weight = 0;
  int gan_patch_px = 32, gan_dims = 16;
  bool masked = true;

  bool random_warp = true;
  double rotation_deg = 10, zoom = 0.15, shift = 0.05, flip = 0.4;
  double colour = 0.05;

  int log_every_steps = 10;
  double save_every_s = 60, preview_every_s = 10, evaluate_every_s = 20;
  int keep_checkpoints = 3, keep_hourly = 4, keep_daily = 3;
  int preview_history = 100;  ///< past previews kept for the time-lapse
  int64_t seed = 1;
};

template <typename V>
void visit(TrainOptions& o, V&& f) {
  const OptionLevel kAdvanced = OptionLevel::kAdvanced;
  visit(o.net, f);
  f("steps", o.steps,
    OptionInfo{.help = "stop after this many steps; 0 = no limit", .min = 0, .max = 1e9});
  f("minutes", o.minutes,
    OptionInfo{.help = "stop after this much training time; 0 = no limit",
               .unit = "min",
               .min = 0,
               .max = 1e6});
  f("plateau_minutes", o.plateau_minutes,
    OptionInfo{.help = "stop when the held-out score has not improved for this long; 0 = never",
               .unit = "min",
               .min = 0,
               .max = 1e5});
  f("batch", o.batch, OptionInfo{.help = "faces per side and step", .min = 1, .max = 512});
  f("optimiser", o.optimiser,
    OptionInfo{.help = "update rule", .choices = {"adam", "adabelief"}, .level = kAdvanced});
  f("learning_rate", o.learning_rate,
    OptionInfo{.help = "highest rate", .min = 0, .max = 1, .level = kAdvanced});
  f("schedule", o.schedule,
    OptionInfo{.help = "rate over the run; cosine and one_cycle need a target in steps or minutes",
               .choices = {"constant", "cosine", "one_cycle"},
               .level = kAdvanced});
  f("warmup_steps", o.warmup_steps,
    OptionInfo{.help = "steps until the full rate",
               .unit = "steps",
               .min = 0,
               .max = 1e6,
               .level = kAdvanced});
  f("final_rate", o.final_rate,
    OptionInfo{.help = "rate at the end as a share of learning_rate",
               .min = 0,
               .max = 1,
               .level = kAdvanced});
  f("weight_decay", o.weight_decay,
    OptionInfo{.help = "decoupled weight decay", .min = 0, .max = 1, .level = kAdvanced});
  f("clip_norm", o.clip_norm,
    OptionInfo{
        .help = "limit of the gradient's norm; 0 = off", .min = 0, .max = 1e6, .level = kAdvanced});
  f("lr_dropout", o.lr_dropout,
    OptionInfo{.help = "share of the weights updated in a step",
               .min = 0.01,
               .max = 1,
               .level = kAdvanced});
  f("ema_decay", o.ema_decay,
    OptionInfo{.help = "decay of the averaged weights; 0 = off",
               .min = 0,
               .max = 0.99999,
               .level = kAdvanced});
  f("precision", o.precision,
    OptionInfo{.help = "number type of the network", .choices = {"auto", "f32", "bf16"}});
  f("device", o.device, OptionInfo{.help = "auto, cpu, cuda or cuda:1"});
  f("dssim_weight", o.dssim_weight,
    OptionInfo{.help = "structure loss (1-SSIM)/2", .min = 0, .max = 1e4, .level = kAdvanced});
  f("l1_weight", o.l1_weight,
    OptionInfo{.help = "absolute error", .min = 0, .max = 1e4, .level = kAdvanced});
  f("mse_weight", o.mse_weight,
    OptionInfo{.help = "squared error", .min = 0, .max = 1e4, .level = kAdvanced});
  f("priority_weight", o.priority_weight,
    OptionInfo{.help = "extra absolute error on eyes and mouth",
               .min = 0,
               .max = 1e4,
               .level = kAdvanced});
  f("mask_weight", o.mask_weight,
    OptionInfo{
        .help = "squared error of the learned mask", .min = 0, .max = 1e4, .level = kAdvanced});
  f("edge_weight", o.edge_weight,
    OptionInfo{
        .help = "absolute error of the gradients", .min = 0, .max = 1e4, .level = kAdvanced});
  f("embedding_weight", o.embedding_weight,
    OptionInfo{.help = "identity-embedding term", .min = 0, .max = 1e4, .level = kAdvanced});
  f("gan_weight", o.gan_weight,
    OptionInfo{.help = "patch discriminator on the identity; 0 = off",
               .min = 0,
               .max = 100,
               .level = kAdvanced});
  f("gan_patch_px", o.gan_patch_px,
    OptionInfo{.help = "receptive field of the discriminator",
               .unit = "px",
               .min = 4,
               .max = 256,
               .level = kAdvanced});
  f("gan_dims", o.gan_dims,
    OptionInfo{.help = "width of the discriminator", .min = 4, .max = 128, .level = kAdvanced});
  f("masked", o.masked, OptionInfo{.help = "train on the face only", .level = kAdvanced});
  f("random_warp", o.random_warp, OptionInfo{.help = "bend the input faces", .level = kAdvanced});
  f("rotation_deg", o.rotation_deg,
    OptionInfo{.help = "largest random rotation",
               .unit = "deg",
               .min = 0,
               .max = 180,
               .level = kAdvanced});
  f("zoom", o.zoom,
    OptionInfo{.help = "largest random zoom", .min = 0, .max = 1, .level = kAdvanced});
  f("shift", o.shift,
    OptionInfo{
        .help = "largest random shift, of the side", .min = 0, .max = 0.5, .level = kAdvanced});
  f("flip", o.flip,
    OptionInfo{.help = "chance of mirroring", .min = 0, .max = 1, .level = kAdvanced});
  f("colour", o.colour,
    OptionInfo{.help = "largest random change of gain, gamma and tint of the input",
               .min = 0,
               .max = 1,
               .level = kAdvanced});
  f("log_every_steps", o.log_every_steps,
    OptionInfo{.help = "steps per line of the log",
               .unit = "steps",
               .min = 1,
               .max = 1e6,
               .level = kAdvanced});
  f("save_every_s", o.save_every_s,
    OptionInfo{
        .help = "time between checkpoints", .unit = "s", .min = 1, .max = 1e6, .level = kAdvanced});
  f("preview_every_s", o.preview_every_s,
    OptionInfo{.help = "time between previews; 0 = none",
               .unit = "s",
               .min = 0,
               .max = 1e6,
               .level = kAdvanced});
  f("evaluate_every_s", o.evaluate_every_s,
    OptionInfo{.help = "time between held-out metrics; 0 = only at the end",
               .unit = "s",
               .min = 0,
               .max = 1e6,
               .level = kAdvanced});
  f("keep_checkpoints", o.keep_checkpoints,
    OptionInfo{.help = "newest checkpoints kept", .min = 1, .max = 1000, .level = kAdvanced});
  f("keep_hourly", o.keep_hourly,
    OptionInfo{.help = "beside the newest: the last checkpoint of so many hours of training",
               .min = 0,
               .max = 1000,
               .level = kAdvanced});
  f("keep_daily", o.keep_daily,
    OptionInfo{.help = "beside the newest: the last checkpoint of so many days of training",
               .min = 0,
               .max = 1000,
               .level = kAdvanced});
  f("preview_history", o.preview_history,
    OptionInfo{.help = "past previews kept for the time-lapse",
               .min = 0,
               .max = 100000,
               .level = kAdvanced});
  f("seed", o.seed,
    OptionInfo{.help = "of weights, samples and augmentation", .min = 0, .level = kAdvanced});
}

}  // namespace likeness::train
