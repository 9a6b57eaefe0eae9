// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/doctor.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <sys/utsname.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/options.h"
#include "likeness/base/threads.h"
#include "likeness/face/face.h"
#include "likeness/media/video.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

struct Report {
  nlohmann::json checks = nlohmann::json::array();
  bool ok = true;
  void add(const std::string& name, const std::string& status, const std::string& value,
           const std::string& fix = "") {
    nlohmann::json j = {{"name", name}, {"status", status}, {"value", value}};
    if (!fix.empty()) j["fix"] = fix;
    checks.push_back(std::move(j));
    ok = ok && status != "missing";
  }
};

/// Value of the first line "key : value" of a /proc file.
std::string proc_value(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::string gigabytes(double bytes) {
  std::ostringstream s;
  s.precision(1);
  s << std::fixed << bytes / 1e9 << " GB";
  return s.str();
}

/// Names of the linear-algebra libraries in this process.
std::string blas_libraries() {
  std::ifstream maps("/proc/self/maps");
  std::set<std::string> found;
  for (std::string line; std::getline(maps, line);) {
    const size_t slash = line.rfind('/');
    if (slash == std::string::npos) continue;
    const std::string name = line.substr(slash + 1);
    for (const char* known :
         {"libopenblas", "libmkl_rt", "libmkl_core", "libblis", "libatlas", "libblas", "libdnnl"})
      if (name.compare(0, std::string(known).size(), known) == 0) {
        std::error_code ec;
        found.insert(fs::canonical(line.substr(line.find('/')), ec).filename().string());
      }
  }
  std::string all;
  for (const auto& f : found) all += (all.empty() ? "" : ", ") + f;
  return all;
}

std::string system_name() {
  utsname system{};
  if (::uname(&system) != 0) return "";
  return std::string(system.sysname) + " " + system.release + " " + system.machine;
}

nlohmann::json check_processor(Report& report) {
  const std::string flags = " " + proc_value("/proc/cpuinfo", "flags") + " ";
  auto has = [&](const char* flag) {
    return flags.find(std::string(" ") + flag + " ") != std::string::npos;
  };
  const bool bf16 = has("avx512_bf16") || has("amx_bf16");
  std::string vector = has("avx512f") ? "AVX-512" : has("avx2") ? "AVX2" : "no AVX2";
  if (has("amx_bf16")) vector += ", AMX";
  nlohmann::json machine = {{"cpu", proc_value("/proc/cpuinfo", "model name")},
                            {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
                            {"threads", thread_count()},
                            {"vector", vector},
                            {"bf16", bf16}};
  report.add("processor", "ok",
             machine["cpu"].get<std::string>() + ", " + std::to_string(thread_count()) +
                 " threads, " + vector);
  report.add("bfloat16", bf16 ? "ok" : "note",
             bf16 ? "in hardware" : "not in hardware: networks compute in float32");
  return machine;
}

void check_memory_and_disk(Report& report, nlohmann::json& machine) {
  std::istringstream total(proc_value("/proc/meminfo", "MemTotal")),
      available(proc_value("/proc/meminfo", "MemAvailable"));
  double total_kb = 0, available_kb = 0;
  total >> total_kb;
  available >> available_kb;
  machine["memory_gb"] = total_kb / 1e6;
  machine["memory_available_gb"] = available_kb / 1e6;
  const bool enough = available_kb > 2e6;
  report.add("memory", enough ? "ok" : "note",
             gigabytes(total_kb * 1e3) + ", " + gigabytes(available_kb * 1e3) + " free",
             enough ? "" : "close other programs; training wants 2 GB");
  std::error_code ec;
  const auto space = fs::space(".", ec);
  const double free_bytes = ec ? 0 : static_cast<double>(space.available);
  machine["disk_free_gb"] = free_bytes / 1e9;
  report.add("disk", free_bytes > 2e9 ? "ok" : "note", gigabytes(free_bytes) + " free here",
             free_bytes > 2e9 ? "" : "free some space, or work in another folder");
}

/// Writes two small frames: an encoder that is listed may still not work on this machine.
std::string try_encoder(const fs::path& folder, const std::string& codec, bool hardware) {
  media::WriterOptions options;
  options.codec = codec;
  options.hardware = hardware;
  const bool images = codec == "png" || codec == "tiff";
  const fs::path path = folder / (codec + (hardware ? "-hw" : "") +
                                  (images            ? ""
                                   : codec == "ffv1" ? ".mkv"
                                                     : ".mov"));
  media::VideoInfo like;
  like.width = like.height = 256;
  like.frame_rate = {25, 1};
  like.time_base = {1, 25};
  media::VideoWriter writer(path, like, options);
  for (int i = 0; i < 2; ++i)
    writer.write(media::Frame::from_rgb8(Image8(256, 256, 3, static_cast<uint8_t>(60 + 100 * i)), i,
                                         {25, 1}));
  writer.finish();
  return writer.encoder_name();
}

void check_encoders(Report& report, nlohmann::json& machine) {
  const fs::path folder =
      fs::temp_directory_path() / ("likeness-doctor-" + std::to_string(::getpid()));
  std::error_code ec;
  fs::create_directories(folder, ec);
  nlohmann::json works = nlohmann::json::object();
  for (const char* codec : {"h264", "h265", "prores", "ffv1"}) {
    try {
      works[codec] = try_encoder(folder, codec, false);
      report.add(std::string("encoder ") + codec, "ok", works[codec]);
    } catch (const Error& e) {
      report.add(std::string("encoder ") + codec, std::string(codec) == "h264" ? "missing" : "note",
                 e.what(), "apt-get install libavcodec-extra");
    }
  }
  std::string hardware;
  for (const char* codec : {"h264", "h265"}) {
    try {
      const std::string name = try_encoder(folder, codec, true);
      if (works.contains(codec) && name != works[codec])
        hardware += (hardware.empty() ? "" : ", ") + name;
    } catch (const Error&) {
      continue;  // none is a normal answer
    }
  }
  machine["encoders"] = works;
  machine["hardware_encoders"] = hardware;
  report.add("hardware encoders", hardware.empty() ? "note" : "ok",
             hardware.empty() ? "none; software is used" : hardware);
  fs::remove_all(folder, ec);
}

void check_torch(Report& report, nlohmann::json& machine) {
  const auto torch = torch_info();
  if (!torch) {
    report.add("libtorch", "missing", "this build is without it",
               "apt-get install libtorch-dev, then configure and build again");
    return;
  }
  machine["torch"] = {{"version", torch->version},
                      {"threads", torch->threads},
                      {"gpu", torch->gpu},
                      {"cuda_build", torch->cuda_build},
                      {"mkldnn", torch->mkldnn}};
  report.add("libtorch", "ok",
             torch->version + ", " + std::to_string(torch->threads) + " threads" +
                 (torch->mkldnn ? ", oneDNN" : ""));
  report.add("GPU", torch->gpu.empty() ? "note" : "ok",
             torch->gpu.empty() ? "none usable; the processor is used" : torch->gpu,
             torch->gpu.empty() && fs::exists("/dev/nvidiactl")
                 ? "build against a CUDA libtorch: scripts/gpu-check tells how"
                 : "");
  const std::string blas = blas_libraries();
  machine["blas"] = blas;
  const bool slow = blas.empty() || (blas.find("libblas") != std::string::npos &&
                                     blas.find("openblas") == std::string::npos);
  report.add("BLAS", slow ? "note" : "ok", blas.empty() ? "unknown" : blas,
             slow ? "apt-get install libopenblas0-pthread" : "");
}

/// The model cards name their files with hashes.
void check_models(Report& report, nlohmann::json& machine) {
  const fs::path folder = face::models_folder();
  machine["models_folder"] = folder.string();
  std::vector<fs::path> cards;
  std::error_code ec;
  for (const auto& f : fs::directory_iterator(folder, ec))
    if (f.path().extension() == ".toml") cards.push_back(f.path());
  std::sort(cards.begin(), cards.end());
  const std::string fix = "scripts/install-models";
  if (cards.empty()) report.add("models", "missing", "no model cards in " + folder.string(), fix);
  for (const auto& path : cards) {
    const std::string name = "model " + path.stem().string();
    try {
      const auto card = read_toml(path.string());
      std::string problem;
      for (const auto& file : card.value("files", nlohmann::json::array())) {
        const fs::path model = folder / file.at("file").get<std::string>();
        if (!fs::exists(model, ec))
          problem = model.filename().string() + " is missing";
        else if (sha256_file(model) != file.at("sha256").get<std::string>())
          problem = model.filename().string() + " is damaged (hash differs)";
      }
      report.add(name, problem.empty() ? "ok" : "missing",
                 problem.empty() ? "present, hash fits" : problem, problem.empty() ? "" : fix);
    } catch (const std::exception& e) {
      report.add(name, "missing", std::string("the card cannot be read: ") + e.what(), fix);
    }
  }
}

}  // namespace

#ifndef LIKENESS_HAS_TORCH
std::optional<TorchInfo> torch_info() { return std::nullopt; }
#endif

std::string system_text() {
  Report report;
  nlohmann::json machine = check_processor(report);
  check_memory_and_disk(report, machine);
  std::string out = "system: " + system_name() + "\n";
  for (const auto& check : report.checks)
    out += check["name"].get<std::string>() + ": " + check["value"].get<std::string>() + "\n";
  return out + "linear algebra: " + blas_libraries() + "\n";
}

nlohmann::json doctor() {
  Report report;
  nlohmann::json machine = check_processor(report);
  machine["system"] = system_name();
  check_memory_and_disk(report, machine);
  check_torch(report, machine);
  check_encoders(report, machine);
  check_models(report, machine);
  return {{"ok", report.ok}, {"checks", report.checks}, {"machine", machine}};
}

}  // namespace likeness::tasks
