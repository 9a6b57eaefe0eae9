// SPDX-License-Identifier: Apache-2.0
// What a run writes: checkpoints, log, previews, metrics and the exported model.
#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"
#include "likeness/tensor/model_card.h"
#include "likeness/tensor/torch_io_model.h"
#include "likeness/train/trainer_impl.h"

namespace likeness::train {
namespace {

constexpr const char* kModelFormat = "likeness-swap-model-1";
constexpr int64_t kEvaluatedRows = 24, kPreviewRows = 4;

/// At most n rows, evenly spread.
std::vector<int64_t> spread(const std::vector<int64_t>& rows, int64_t n) {
  const int64_t count = std::min<int64_t>(n, static_cast<int64_t>(rows.size()));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(rows[i * static_cast<int64_t>(rows.size()) / count]);
  return out;
}

/// Faces the training never sees; where those are few, others fill the preview after them.
std::vector<int64_t> preview_rows(const std::vector<int64_t>& held_out,
                                  const std::vector<int64_t>& trained) {
  auto rows = spread(held_out, kPreviewRows);
  for (int64_t row : spread(trained, kPreviewRows - static_cast<int64_t>(rows.size())))
    rows.push_back(row);
  return rows;
}

torch::Tensor pick(const torch::Tensor& t, const std::vector<int64_t>& rows) {
  return t.index_select(0, torch::tensor(rows, torch::kInt64)).to(torch::kFloat32).div_(255.0);
}

nets::FaceBatch input_on(const TrainingData& data, int side, const std::vector<int64_t>& rows,
                         const torch::Device& device) {
  auto batch = BatchMaker::plain_input(data, side, rows);
  batch.image = batch.image.to(device);
  if (batch.base.defined()) batch.base = batch.base.to(device);
  return batch;
}

/// N x 3 x R x R in [0,1] into the grid's column.
void paste_column(const torch::Tensor& images, int column, Image8& grid) {
  const auto bytes = (images.detach().to(torch::kCPU, torch::kFloat32).clamp(0, 1) * 255)
                         .round()
                         .to(torch::kUInt8)
                         .permute({0, 2, 3, 1})
                         .contiguous();
  const int px = static_cast<int>(bytes.size(1));
  const uint8_t* from = bytes.data_ptr<uint8_t>();
  for (int r = 0; r < static_cast<int>(bytes.size(0)); ++r)
    for (int y = 0; y < px; ++y, from += static_cast<size_t>(px) * 3)
      std::copy(from, from + static_cast<size_t>(px) * 3,
                grid.row(r * px + y) + static_cast<size_t>(column) * px * 3);
}

std::string text_of(const nlohmann::json& json, const char* key, const std::string& otherwise) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : otherwise;
}

}  // namespace

void RunLog::open(const std::filesystem::path& path, int64_t step) {
  path_ = path;
  if (!std::filesystem::exists(path_)) return;
  std::string kept, line;
  std::ifstream in(path_);
  while (step >= 0 && std::getline(in, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);  // a torn last line is dropped
    if (json.is_object() && json.value("step", int64_t{0}) <= step) kept += line + "\n";
  }
  write_file_atomic(path_, kept);
}

void RunLog::write(const nlohmann::json& line) {
  std::ofstream out(path_, std::ios::app);
  out << line.dump() + "\n";
  if (!out.flush()) throw_errno(errno, "cannot write " + path_.string());
}

Checkpoint Trainer::Impl::checkpoint() const {
  Checkpoint c;
  c.step = step;
  c.state = {{"optimiser_steps", optimiser->steps_done()},
             {"elapsed_s", elapsed_s()},
             {"rate_scale", rate_scale},
             {"recoveries", recoveries},
             {"best_score", best_score},
             {"best_score_at_s", best_score_at_s}};
  c.options = options_to_json(options);
  c.metadata = extras.metadata;
  c.blobs = extras.blobs;
  const auto state = optimiser->state();
  const auto keep = [&](const char* name, const torch::Tensor& t) {
    c.tensors[name] = t.device().is_cpu() ? t.clone() : t.to(torch::kCPU);
  };
  keep("master", state.master);
  keep("first", state.first);
  keep("second", state.second);
  if (!state.average.is_same(state.master)) keep("average", state.average);
  if (gan) {
    const auto g = gan_optimiser->state();
    keep("gan_master", g.master);
    keep("gan_first", g.first);
    keep("gan_second", g.second);
    c.state["gan_steps"] = gan_optimiser->steps_done();
  }
  return c;
}

void Trainer::Impl::finish_saving() {
  if (saving.valid()) saving.get();  // throws what the writing threw
}

void Trainer::Impl::save(bool wait) {
  finish_saving();
  // Copying the state costs milliseconds; hashing and writing it goes on beside the training.
  saving = std::async(std::launch::async,
                      [c = checkpoint(), folder = folder, keep = options.keep_checkpoints,
                       hourly = options.keep_hourly, daily = options.keep_daily] {
                        write_checkpoint(checkpoint_path(folder, c.step), c);
                        rotate_checkpoints(folder, keep, hourly, daily);
                      });
  if (wait) finish_saving();
}

void Trainer::Impl::refresh_average() {
  torch::NoGradGuard no_grad;
  optimiser->copy_average_to(*averaged);
  auto from = net->named_buffers();
  for (auto& b : averaged->named_buffers()) b.value().copy_(from[b.key()]);
}

HeldOutMetrics Trainer::Impl::evaluate() {
  torch::NoGradGuard no_grad;
  refresh_average();
  HeldOutMetrics m;
  double score = 0;
  int sides = 0;
  for (int s = 0; s < 2; ++s) {
    const auto rows = spread(data.data.side[s].held_out, kEvaluatedRows);
    if (rows.empty()) continue;
    const auto input = input_on(data, s, rows, device);
    const auto rgb = averaged->reconstruct(input, static_cast<nets::Side>(s)).rgb.to(torch::kCPU);
    const auto target = pick(data.data.side[s].targets, rows),
               mask = pick(data.data.side[s].masks, rows);
    m.ssim[s] = nets::ssim(rgb, target, mask);
    m.l1[s] = nets::masked_l1(rgb, target, mask);
    score += m.ssim[s];
    ++sides;
    if (s == 1 && hooks.identity_similarity)
      m.identity_similarity =
          hooks.identity_similarity(averaged->swap(input).rgb.to(torch::kCPU).contiguous());
  }
  if (sides) {
    score /= sides;
    if (score > best_score + 1e-4) {
      best_score = score;
      best_score_at_s = elapsed_s();
    }
    nlohmann::json line = {{"event", "held_out"},         {"step", step},
                           {"time_s", elapsed_s()},       {"ssim_identity", m.ssim[0]},
                           {"ssim_performer", m.ssim[1]}, {"l1_identity", m.l1[0]},
                           {"l1_performer", m.l1[1]}};
    if (m.identity_similarity >= 0) line["identity_similarity"] = m.identity_similarity;
    log.write(line);
    if (hooks.on_log) hooks.on_log(line);
  }
  held_out = m;
  return m;
}

void Trainer::Impl::write_preview() {
  torch::NoGradGuard no_grad;
  refresh_average();
  const int px = options.net.resolution_px;
  std::array<std::vector<int64_t>, 2> shown;
  for (size_t s = 0; s < 2; ++s)
    shown[s] = preview_rows(data.data.side[s].held_out, data.train_rows[s]);
  Image8 grid(5 * px, static_cast<int>(std::max(shown[0].size(), shown[1].size())) * px, 3);
  for (int s = 0; s < 2; ++s) {
    const auto& rows = shown[static_cast<size_t>(s)];
    const auto input = input_on(data, s, rows, device);
    paste_column(pick(data.data.side[s].targets, rows), 2 * s, grid);
    paste_column(averaged->reconstruct(input, static_cast<nets::Side>(s)).rgb, 2 * s + 1, grid);
    if (s == 1) paste_column(averaged->swap(input).rgb, 4, grid);
  }
  if (hooks.write_preview)
    hooks.write_preview(folder / "preview.png", grid);
  else
    media::write_image(folder / "preview.png", grid);
  if (options.preview_history <= 0) return;
  auto name = checkpoint_path(folder / "previews", step).replace_extension(".png");
  std::error_code ec;  // the history is a convenience: failing to keep it does not stop training
  std::filesystem::copy_file(folder / "preview.png", name,
                             std::filesystem::copy_options::overwrite_existing, ec);
  std::vector<std::filesystem::path> past;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "previews", ec))
    if (entry.path().extension() == ".png") past.push_back(entry.path());
  std::sort(past.begin(), past.end());
  // Every second one goes, so that the time-lapse still spans the whole run.
  if (static_cast<int>(past.size()) > options.preview_history)
    for (size_t i = 1; i < past.size(); i += 2) std::filesystem::remove(past[i], ec);
}

void Trainer::Impl::export_model(const std::filesystem::path& path, bool half_precision) {
  torch::NoGradGuard no_grad;
  const auto state = optimiser->state();
  tensor::NamedTensors tensors;
  for (const auto& slot : optimiser->slots()) {
    const auto value = optimiser->view(state.average, slot).to(torch::kCPU);
    tensors.emplace_back("weights/" + slot.name,
                         half_precision ? value.to(torch::kFloat16) : value.clone());
  }
  for (const auto& b : net->named_buffers()) tensors.emplace_back("weights/" + b.key(), b.value());
  for (const auto& [name, bytes] : extras.blobs) {
    auto t = torch::empty({static_cast<int64_t>(bytes.size())}, torch::kUInt8);
    std::copy(bytes.begin(), bytes.end(), t.data_ptr<uint8_t>());
    tensors.emplace_back("blob/" + name, t);
  }
  tensor::save_tensors(path, tensors,
                       {{"format", kModelFormat},
                        {"net", options_to_json(options.net).dump()},
                        {"options", options_to_json(options).dump()},
                        {"metadata", extras.metadata.dump()},
                        {"step", std::to_string(step)}});
  tensor::ModelCard card;
  card.name = text_of(extras.metadata, "name", path.stem().string());
  card.title = text_of(extras.metadata, "title", "Face swap " + card.name);
  card.task = "face swap, " + options.net.family + " family, " +
              std::to_string(options.net.resolution_px) + " px";
  card.licence = text_of(extras.metadata, "licence", "as the footage it was trained on");
  card.origin = "trained with Likeness, step " + std::to_string(step);
  card.training_data = text_of(extras.metadata, "training_data", "facesets of this project");
  card.input = "aligned face of the performer, RGB, [0,1]";
  card.output = "face of the identity, RGB, and its mask, [0,1]";
  card.limits = text_of(extras.metadata, "limits", "only the two people it was trained on");
  card.files = {{path.filename().string(), sha256_file(path), ""}};
  tensor::write_model_card(std::filesystem::path(path).replace_extension(".toml"), card);
}

LoadedModel load_model(const std::filesystem::path& path, const std::string& device_name,
                       const std::string& precision_name) {
  const tensor::SafeTensors file(path);
  const auto field = [&](const char* key) -> const std::string& {
    const auto it = file.metadata().find(key);
    if (it == file.metadata().end())
      throw Error(ErrorCode::kUnsupported,
                  path.filename().string() + " is not a face-swap model of Likeness",
                  "give a model.safetensors that `likeness train` wrote");
    return it->second;
  };
  if (field("format") != kModelFormat)
    throw Error(ErrorCode::kUnsupported,
                path.filename().string() + " has the unknown format " + field("format"),
                "use the version of Likeness that wrote it");
  LoadedModel model;
  try {
    options_from_json(model.options, nlohmann::json::parse(field("net")));
    model.extras.metadata = nlohmann::json::parse(field("metadata"));
    model.step = std::stoll(field("step"));
    model.net = nets::make_net(model.options);
  } catch (const std::exception& e) {
    throw Error(ErrorCode::kDamaged, path.filename().string() + " is damaged: " + e.what(),
                "export the model again");
  }
  tensor::load_module(*model.net, file, "weights/");
  for (const auto& t : file.tensors())
    if (t.name.starts_with("blob/"))
      model.extras.blobs[t.name.substr(5)].assign(reinterpret_cast<const char*>(t.data.data()),
                                                  t.data.size());
  const auto device = nets::pick_device(device_name);
  convert_module(*model.net, device,
                 nets::scalar_type(nets::pick_precision(precision_name, device)));
  model.net->eval();
  for (auto& p : model.net->parameters()) p.set_requires_grad(false);
  return model;
}

}  // namespace likeness::train
