// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/checkpoint_model.h"

#include <algorithm>
#include <chrono>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tensor/torch_io_model.h"

namespace likeness::tensor {
namespace {

constexpr const char* kFormat = "likeness-checkpoint-1";
constexpr const char* kBlob = "blob/";

[[noreturn]] void damaged(const std::string& name, const std::string& why) {
  throw Error(ErrorCode::kDamaged, name + " is damaged: " + why,
              "an older checkpoint of the run is taken when there is one");
}

/// Covers names, types, shapes, data and all metadata except the hash itself.
std::string content_hash(const std::vector<TensorView>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  Sha256 hash;
  const auto text = [&](const std::string& s) {
    const uint64_t size = s.size();
    hash.update(&size, sizeof size);
    hash.update(s.data(), s.size());
  };
  for (const auto& [key, value] : metadata)
    if (key != "sha256") text(key), text(value);
  for (const auto& t : tensors) {
    text(t.name);
    text(dtype_name(t.type));
    for (int64_t d : t.shape) text(std::to_string(d));
    hash.update(t.data.data(), t.data.size());
  }
  return hash.hex();
}

Checkpoint from_file(const SafeTensors& file, const std::string& name) {
  const auto& meta = file.metadata();
  const auto field = [&](const char* key) -> const std::string& {
    auto it = meta.find(key);
    if (it == meta.end()) damaged(name, std::string("it has no ") + key);
    return it->second;
  };
  if (field("format") != kFormat) damaged(name, "it is of an unknown format");
  if (field("sha256") != content_hash(file.tensors(), meta))
    damaged(name, "its SHA-256 does not match");
  Checkpoint out;
  try {
    out.step = std::stoll(field("step"));
    out.state = nlohmann::json::parse(field("state"));
    out.options = nlohmann::json::parse(field("options"));
    out.metadata = nlohmann::json::parse(field("metadata"));
  } catch (const nlohmann::json::exception&) {
    damaged(name, "its metadata is not JSON");
  } catch (const std::logic_error&) {  // stoll
    damaged(name, "its step is not a number");
  }
  for (const auto& t : file.tensors()) {
    if (t.name.starts_with(kBlob))
      out.blobs[t.name.substr(5)].assign(reinterpret_cast<const char*>(t.data.data()),
                                         t.data.size());
    else
      out.tensors[t.name] = to_torch(t);
  }
  return out;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& c) {
  std::vector<torch::Tensor> owned;
  std::vector<TensorView> views;
  for (const auto& [name, t] : c.tensors) {
    owned.push_back(t.detach().to(torch::kCPU).contiguous());
    views.push_back(to_view(name, owned.back()));
  }
  for (const auto& [name, bytes] : c.blobs)
    views.push_back({kBlob + name,
                     DType::kU8,
                     {static_cast<int64_t>(bytes.size())},
                     {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}});
  std::map<std::string, std::string> meta{{"format", kFormat},
                                          {"step", std::to_string(c.step)},
                                          {"state", c.state.dump()},
                                          {"options", c.options.dump()},
                                          {"metadata", c.metadata.dump()}};
  meta["sha256"] = content_hash(views, meta);
  write_safetensors(path, views, meta);
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  return from_file(SafeTensors(path), path.filename().string());
}

Checkpoint parse_checkpoint(std::span<const uint8_t> bytes, const std::string& name) {
  return from_file(SafeTensors(bytes, name), name);
}

std::filesystem::path checkpoint_path(const std::filesystem::path& folder, int64_t step) {
  std::string digits = std::to_string(step);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return folder / ("step-" + digits + ".checkpoint");
}

std::vector<std::pair<int64_t, std::filesystem::path>> list_checkpoints(
    const std::filesystem::path& folder) {
  std::vector<std::pair<int64_t, std::filesystem::path>> out;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("step-") || entry.path().extension() != ".checkpoint") continue;
    const auto digits = entry.path().stem().string().substr(5);
    if (digits.empty() || digits.size() > 18 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      continue;
    out.emplace_back(std::stoll(digits), entry.path());
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

namespace {

/// Says for files from new to old whether one is the newest of its period, for the last `most`
/// periods that have one.
class Tier {
 public:
  Tier(int64_t period_s, int most) : period_s_(period_s), left_(most) {}
  bool keeps(int64_t written_s) {
    const int64_t period = written_s / period_s_;
    if (left_ <= 0 || (any_ && period >= last_)) return false;
    any_ = true;
    last_ = period;
    --left_;
    return true;
  }

 private:
  int64_t period_s_, last_ = 0;
  int left_;
  bool any_ = false;
};

int64_t written_s(const std::filesystem::path& path, std::error_code& ec) {
  const auto at = std::filesystem::last_write_time(path, ec);
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::file_clock::to_sys(at).time_since_epoch())
      .count();
}

}  // namespace

void rotate_checkpoints(const std::filesystem::path& folder, int keep, int hourly, int daily) {
  std::error_code ec;  // a file that cannot be removed is no reason to stop training
  const auto all = list_checkpoints(folder);
  Tier hours(3600, hourly), days(86400, daily);
  for (size_t i = 0; i < all.size(); ++i) {
    const int64_t at = written_s(all[i].second, ec);
    if (ec) continue;
    // Both are asked for every file: what is kept anyway is the newest of its hour and day too.
    const bool hour = hours.keeps(at), day = days.keeps(at);
    if (i >= static_cast<size_t>(std::max(1, keep)) && !hour && !day)
      std::filesystem::remove(all[i].second, ec);
  }
}

}  // namespace likeness::tensor
