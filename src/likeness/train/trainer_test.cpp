// SPDX-License-Identifier: Apache-2.0
#include "likeness/train/trainer.h"

#include <chrono>
#include <fstream>

#include <gtest/gtest.h>

#include "likeness/base/atomic_file.h"
#include "likeness/media/video.h"
#include "likeness/tensor/checkpoint_model.h"
#include "likeness/tensor/model_card.h"
#include "likeness/train/augment.h"
#include "likeness/train/loader.h"

namespace likeness::train {
namespace {

using tensor::Checkpoint, tensor::checkpoint_path, tensor::list_checkpoints,
    tensor::parse_checkpoint, tensor::read_checkpoint, tensor::write_checkpoint;

namespace fs = std::filesystem;

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("likeness-train-" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

/// Discs of a colour per side, at places that differ by row: something two decoders can learn.
PreparedData make_data(int px = 32, int rows = 12) {
  PreparedData data;
  torch::manual_seed(11);
  for (int s = 0; s < 2; ++s) {
    auto& side = data.side[s];
    side.images = torch::zeros({rows, 3, px, px}, torch::kUInt8);
    side.masks = torch::zeros({rows, 1, px, px}, torch::kUInt8);
    auto pixels = side.images.accessor<uint8_t, 4>();
    auto mask = side.masks.accessor<uint8_t, 4>();
    for (int r = 0; r < rows; ++r) {
      const double cx = px * (0.35 + 0.3 * r / rows), cy = px * (0.65 - 0.3 * r / rows);
      for (int y = 0; y < px; ++y)
        for (int x = 0; x < px; ++x) {
          const bool inside = std::hypot(x - cx, y - cy) < px * 0.25;
          pixels[r][0][y][x] = static_cast<uint8_t>(inside ? (s ? 220 : 60) : 20);
          pixels[r][1][y][x] = static_cast<uint8_t>(inside ? (s ? 90 : 160) : 40);
          pixels[r][2][y][x] = static_cast<uint8_t>(inside ? 80 : 60 + y);
          mask[r][0][y][x] = std::hypot(x - px / 2.0, y - px / 2.0) < px * 0.45 ? 255 : 0;
        }
    }
    side.targets = side.images;
    side.priority = torch::zeros({rows, 1, px, px}, torch::kUInt8);
    side.priority.narrow(2, px / 3, px / 4).fill_(255);
    side.held_out = {3, 7};
  }
  return data;
}

TrainOptions small_options(int64_t steps) {
  TrainOptions o;
  o.net = {"df", "ud", 32, 16, 4, 4, 2};
  o.steps = steps;
  o.batch = 3;
  o.learning_rate = 2e-3;
  o.schedule = "constant";
  o.warmup_steps = 5;
  o.device = "cpu";
  o.precision = "auto";
  o.log_every_steps = 1;
  o.preview_every_s = 0;
  o.evaluate_every_s = 0;
  o.lr_dropout = 0.7;
  return o;
}

std::vector<nlohmann::json> read_log(const fs::path& folder) {
  std::vector<nlohmann::json> out;
  std::ifstream in(folder / "log.jsonl");
  for (std::string line; std::getline(in, line);) {
    auto json = nlohmann::json::parse(line);
    if (!json.contains("event")) out.push_back(json);
  }
  return out;
}

bool same_weights(nets::SwapNet& a, nets::SwapNet& b) {
  for (size_t i = 0; i < a.parameters().size(); ++i)
    if (!torch::equal(a.parameters()[i].detach(), b.parameters()[i].detach())) return false;
  return true;
}

TEST(Trainer, TenAndTenStepsAreTwentyBitForBit) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  Trainer whole(small_options(20), make_data(), folder.path / "whole");
  EXPECT_EQ(whole.run(progress, cancel).stopped_by, "steps");
  {
    Trainer first(small_options(10), make_data(), folder.path / "split",
                  {{{"name", "ben"}}, {{"look", std::string("\0\1x", 3)}}});
    first.run(progress, cancel);
  }
  EXPECT_THROW(Trainer(small_options(10), make_data(), folder.path / "split"), Error);
  auto second = Trainer::resume(small_options(20), make_data(), folder.path / "split");
  EXPECT_EQ(second->step(), 10);
  EXPECT_EQ(second->extras().metadata.at("name"), "ben");
  EXPECT_EQ(second->extras().blobs.at("look"), std::string("\0\1x", 3));
  second->run(progress, cancel);
  EXPECT_TRUE(same_weights(whole.net(), second->net()));
  EXPECT_TRUE(same_weights(whole.averaged_net(), second->averaged_net()));
  const auto a = read_log(folder.path / "whole"), b = read_log(folder.path / "split");
  ASSERT_EQ(a.size(), 20u);
  ASSERT_EQ(b.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(a[i].at("step"), static_cast<int64_t>(i + 1));
    EXPECT_EQ(a[i].at("loss"), b[i].at("loss")) << i;
  }
}

/// One every 20 minutes for five days, the last at 23:40 of a day.
TEST(Checkpoints, TheNewestThenHoursThenDays) {
  using namespace std::chrono_literals;
  constexpr int kFiles = 5 * 72;
  const auto midnight = std::chrono::sys_days{std::chrono::year{2026} / 3 / 10};
  const auto write = [&](const fs::path& folder, int i) {
    write_file_atomic(checkpoint_path(folder, i), "x");
    fs::last_write_time(
        checkpoint_path(folder, i),
        std::chrono::file_clock::from_sys(
            std::chrono::time_point_cast<std::chrono::nanoseconds>(midnight + i * 20min)));
  };
  const auto steps = [](const fs::path& folder) {
    std::vector<int64_t> out;
    for (const auto& [step, path] : list_checkpoints(folder)) out.push_back(step);
    return out;
  };
  Folder folder;
  for (const char* name : {"a", "b"}) fs::create_directories(folder.path / name);
  for (int i = 0; i < kFiles; ++i) {
    write(folder.path / "a", i);
    tensor::rotate_checkpoints(folder.path / "a", 3, 4, 3);
    write(folder.path / "b", i);
  }
  tensor::rotate_checkpoints(folder.path / "b", 3, 4, 3);
  // 23:40, 23:20, 23:00; the ends of the hours before; the ends of the two days before.
  const std::vector<int64_t> wanted{359, 358, 357, 356, 353, 350, 287, 215};
  EXPECT_EQ(steps(folder.path / "a"), wanted);
  EXPECT_EQ(steps(folder.path / "b"), wanted);
  tensor::rotate_checkpoints(folder.path / "b", 0);
  EXPECT_EQ(steps(folder.path / "b"), (std::vector<int64_t>{359}));
}

TEST(Trainer, LearnsShowsAndExportsTheSameFace) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  auto options = small_options(120);
  options.lr_dropout = 1;
  options.random_warp = false;
  options.rotation_deg = options.zoom = options.shift = options.flip = options.colour = 0;
  options.preview_every_s = 1;
  options.evaluate_every_s = 1;
  options.preview_history = 3;
  options.log_every_steps = 10;
  TrainHooks hooks;
  int asked = 0;
  hooks.identity_similarity = [&](const torch::Tensor& swapped) {
    EXPECT_EQ(swapped.sizes(), (torch::IntArrayRef{2, 3, 32, 32}));
    ++asked;
    return 0.5;
  };
  Trainer trainer(options, make_data(), folder.path / "run",
                  {{{"name", "ben-on-ava"}}, {{"look", "bytes"}}}, hooks);
  const auto before = trainer.evaluate();
  const auto report = trainer.run(progress, cancel);
  EXPECT_EQ(report.step, 120);
  EXPECT_GT(asked, 1);
  EXPECT_EQ(report.held_out.identity_similarity, 0.5);
  for (int s = 0; s < 2; ++s) {
    EXPECT_GT(report.held_out.ssim[s], before.ssim[s] + 0.08);
    EXPECT_LT(report.held_out.l1[s], 0.6 * before.l1[s]);
  }
  const auto log = read_log(folder.path / "run");
  EXPECT_LT(log.back().at("loss").get<double>(), 0.5 * log.front().at("loss").get<double>());
  const auto preview = media::read_image(folder.path / "run" / "preview.png");
  EXPECT_EQ(preview.width, 5 * 32);
  EXPECT_EQ(preview.height, 4 * 32);
  // Two faces are held out; no row of the four is empty for that.
  for (int row = 0; row < 4; ++row)
    for (int column = 0; column < 5; ++column)
      EXPECT_GT(preview.at(column * 32 + 16, row * 32 + 16) +
                    preview.at(column * 32 + 16, row * 32 + 16, 2),
                0)
          << row << " " << column;
  int past = 0;
  for (const auto& e : fs::directory_iterator(folder.path / "run" / "previews"))
    past += e.path().extension() == ".png";
  EXPECT_GE(past, 1);
  EXPECT_LE(past, 3);

  const auto path = folder.path / "run" / "model.safetensors";
  trainer.export_model(path, false);
  const auto model = load_model(path, "cpu", "f32");
  EXPECT_EQ(model.step, 120);
  EXPECT_EQ(model.extras.blobs.at("look"), "bytes");
  torch::NoGradGuard no_grad;
  const auto x = torch::rand({1, 3, 32, 32});
  const auto ours = trainer.averaged_net().swap({x, {}}).rgb, theirs = model.net->swap({x, {}}).rgb;
  EXPECT_LT((ours - theirs).abs().max().item<float>(), 0.05);  // bfloat16 against float32
  const auto card = tensor::read_model_card(fs::path(path).replace_extension(".toml"));
  EXPECT_NO_THROW(tensor::verify_model(card, folder.path / "run"));
  EXPECT_EQ(card.name, "ben-on-ava");
}

TEST(Trainer, CancelFinishesTheStepAndSaves) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  TrainHooks hooks;
  hooks.on_log = [&](const nlohmann::json& line) {
    if (line.value("step", 0) == 4 && !line.contains("event")) cancel.request();
  };
  Trainer trainer(small_options(1000), make_data(), folder.path / "run", {}, hooks);
  const auto report = trainer.run(progress, cancel);
  EXPECT_EQ(report.stopped_by, "cancel");
  EXPECT_EQ(report.step, 4);
  EXPECT_EQ(list_checkpoints(folder.path / "run").front().first, 4);
}

TEST(Trainer, NotANumberStepsBackAndLowersTheRate) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  auto options = small_options(12);
  options.embedding_weight = 1;
  TrainHooks hooks;
  int calls = 0;
  hooks.embedding_loss = [&](const torch::Tensor& generated, const torch::Tensor&) {
    return generated.mean() * (++calls == 6 ? std::numeric_limits<float>::quiet_NaN() : 0.0f);
  };
  Trainer trainer(options, make_data(), folder.path / "run", {}, hooks);
  const auto report = trainer.run(progress, cancel);
  EXPECT_EQ(report.step, 12);
  EXPECT_EQ(report.nan_recoveries, 1);
  for (const auto& p : trainer.net().parameters())
    EXPECT_TRUE(torch::isfinite(p.detach().to(torch::kFloat32)).all().item<bool>());
  EXPECT_EQ(
      read_checkpoint(list_checkpoints(folder.path / "run").front().second).state.at("rate_scale"),
      0.5);
}

TEST(Trainer, ResumePassesDamagedCheckpointsBy) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  const auto run = folder.path / "run";
  auto options = small_options(3);
  {
    Trainer trainer(options, make_data(), run);
    trainer.run(progress, cancel);
    trainer.set_targets(5, 0);
    trainer.run(progress, cancel);
  }
  auto all = list_checkpoints(run);
  ASSERT_EQ(all.size(), 3u);  // 0, 3, 5
  auto bytes = read_file(all[0].second);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);  // one bit
  write_file_atomic(all[0].second, bytes);
  options.steps = 4;
  auto trainer = Trainer::resume(options, make_data(), run);
  EXPECT_EQ(trainer->step(), 3);
  for (const auto& [step, path] : all) write_file_atomic(path, read_file(path).substr(0, 100));
  EXPECT_THROW(Trainer::resume(options, make_data(), run), Error);
  EXPECT_THROW(Trainer::resume(options, make_data(), folder.path / "none"), Error);
}

TEST(Trainer, ResumeRefusesAnotherNetwork) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  Trainer(small_options(1), make_data(), folder.path / "run").run(progress, cancel);
  auto other = small_options(2);
  other.net.e_dims = 8;
  EXPECT_THROW(Trainer::resume(other, make_data(), folder.path / "run"), Error);
}

TEST(Trainer, DiscriminatorTrainsAndResumesExactly) {
  Folder folder;
  Progress progress;
  Cancel cancel;
  auto options = small_options(6);
  options.gan_weight = 0.1;
  options.gan_patch_px = 7;
  options.gan_dims = 4;
  Trainer whole(options, make_data(), folder.path / "whole");
  whole.run(progress, cancel);
  options.steps = 3;
  Trainer(options, make_data(), folder.path / "split").run(progress, cancel);
  options.steps = 6;
  auto second = Trainer::resume(options, make_data(), folder.path / "split");
  second->run(progress, cancel);
  EXPECT_TRUE(same_weights(whole.net(), second->net()));
}

TEST(Trainer, BadDataAndOptionsAreErrors) {
  Folder folder;
  const auto expect_throw = [&](auto&& change) {
    auto data = make_data();
    auto options = small_options(1);
    change(data, options);
    EXPECT_THROW(Trainer(options, data, folder.path / "bad"), Error);
  };
  expect_throw([](PreparedData& d, TrainOptions&) { d.side[1].masks = torch::Tensor(); });
  expect_throw([](PreparedData& d, TrainOptions&) {
    d.side[0].targets = d.side[0].targets.to(torch::kFloat32);
  });
  expect_throw([](PreparedData& d, TrainOptions&) { d.side[0].held_out = {99}; });
  expect_throw([](PreparedData& d, TrainOptions&) { d.side[0] = {}; });
  expect_throw([](PreparedData&, TrainOptions& o) { o.net.resolution_px = 64; });
  expect_throw([](PreparedData&, TrainOptions& o) { o.batch = 0; });
  expect_throw([](PreparedData&, TrainOptions& o) { o.optimiser = "sgd"; });
  Progress progress;
  Cancel cancel;
  EXPECT_THROW(
      Trainer(small_options(0), make_data(), folder.path / "no-target").run(progress, cancel),
      Error);
}

TEST(Checkpoint, ForeignBytesNeverCrash) {
  Folder folder;
  Checkpoint c;
  c.step = 7;
  c.tensors["master"] = torch::arange(10.0);
  c.blobs["look"] = "abc";
  const auto path = checkpoint_path(folder.path, 7);
  write_checkpoint(path, c);
  const auto good = read_file(path);
  const auto parse = [](const std::string& bytes) {
    return parse_checkpoint({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "test");
  };
  EXPECT_EQ(parse(good).step, 7);
  EXPECT_TRUE(torch::equal(parse(good).tensors.at("master"), c.tensors.at("master")));
  for (size_t size = 0; size < good.size(); size += 7)
    EXPECT_THROW(parse(good.substr(0, size)), Error);
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    try {
      const auto parsed = parse(bad);
      EXPECT_EQ(parsed.step, 7);  // only padding between header and data may change unseen
      EXPECT_TRUE(torch::equal(parsed.tensors.at("master"), c.tensors.at("master")));
    } catch (const Error&) {
    }
  }
}

TEST(Augment, NothingAskedIsTheIdentity) {
  TrainOptions o;
  o.random_warp = false;
  o.rotation_deg = o.zoom = o.shift = o.flip = o.colour = 0;
  Rng rng(1);
  const auto a = draw_augmentation(o, 32, rng);
  const auto source = torch::randint(0, 256, {3, 32, 32}, torch::kUInt8);
  auto out = torch::empty({3, 32, 32});
  SampleMap map;
  bent_map(a, 32, map);
  sample_bilinear(source.data_ptr<uint8_t>(), 3, 32, map, false, out.data_ptr<float>());
  EXPECT_LT((out - source.to(torch::kFloat32) / 255).abs().max().item<float>(), 1e-6);
}

TEST(Augment, FlipMirrorsAndCubicReproducesARamp) {
  Augmentation a;
  a.affine = true;
  a.source_from_output.m = {-1, 0, 15, 0, 1, 0};
  const auto source = torch::randint(0, 256, {1, 16, 16}, torch::kUInt8);
  auto out = torch::empty({1, 16, 16});
  SampleMap map;
  affine_map(a, 16, map);
  sample_bicubic(source.data_ptr<uint8_t>(), 1, 16, map, out.data_ptr<float>());
  EXPECT_LT((out - source.flip(2).to(torch::kFloat32) / 255).abs().max().item<float>(), 1e-5);
  auto ramp = (torch::arange(16, torch::kInt32) * 10)
                  .to(torch::kUInt8)
                  .view({1, 1, 16})
                  .expand({1, 16, 16})
                  .contiguous();
  a.source_from_output.m = {1, 0, 0.25f, 0, 1, 0.5f};
  affine_map(a, 16, map);
  sample_bicubic(ramp.data_ptr<uint8_t>(), 1, 16, map, out.data_ptr<float>());
  for (int x = 2; x < 13; ++x)
    EXPECT_NEAR(out[0][5][x].item<float>() * 255, (x + 0.25f) * 10, 1e-2);
}

TEST(Augment, BendingStaysInsideItsBoundAndTheBorderStays) {
  TrainOptions o;
  o.rotation_deg = o.zoom = o.shift = o.flip = o.colour = 0;
  for (int i = 0; i < 20; ++i) {
    Rng rng(1, i);
    const auto a = draw_augmentation(o, 64, rng);
    SampleMap map;
    bent_map(a, 64, map);
    const float bound = 0.24f * 64 / static_cast<float>(a.cells) + 1e-3f;
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 64; ++x) {
        EXPECT_LE(std::fabs(map.x[y * 64 + x] - x), bound);
        if (x == 0 || y == 0) {
          EXPECT_NEAR(map.x[y * 64 + x], x, 1e-4);
        }
      }
  }
}

TEST(Loader, EveryRowOncePerEpochAndAFunctionOfTheStep) {
  const auto data = make_training_data(make_data(), true);
  RowOrder order(data.train_rows[0], 3, 0);
  std::map<int64_t, int> seen;
  for (int64_t i = 0; i < 20; ++i) ++seen[order.row(i)];
  EXPECT_EQ(seen.size(), 10u);  // 12 rows, 2 held out
  for (const auto& [row, count] : seen) EXPECT_EQ(count, 2) << row;
  EXPECT_FALSE(seen.contains(3));
  const auto options = small_options(1);
  for (const bool ahead : {false, true}) {
    Loader loader(data, options, 1, 5, ahead);
    BatchMaker maker(data, options, 1, BatchMaker::Threads::kOne);
    for (int64_t step : {5, 6, 7}) {
      const auto a = loader.next(), b = maker.make(step);
      EXPECT_EQ(a.step, step);
      for (int s = 0; s < 2; ++s) {
        EXPECT_TRUE(torch::equal(a.input[s].image, b.input[s].image));
        EXPECT_TRUE(torch::equal(a.target[s].rgb, b.target[s].rgb));
        EXPECT_TRUE(torch::equal(a.target[s].weight, b.target[s].weight));
      }
    }
  }
}

}  // namespace
}  // namespace likeness::train
