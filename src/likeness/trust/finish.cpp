// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/finish.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/memory_file.h"
#include "likeness/base/run.h"
#include "likeness/base/threads.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/manifest_store.h"
#include "likeness/trust/provenance.h"
#include "likeness/trust/verify_parts.h"
#include "likeness/trust/watermark_still.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& f : fs::recursive_directory_iterator(folder))
    if (f.is_regular_file()) files.push_back(f.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// A folder (an image sequence) is hashed as the list of its files' names and hashes.
std::string hash_of(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256_file(path);
  std::string list;
  for (const auto& f : files_of(path))
    list += fs::relative(f, path).string() + "\n" + sha256_file(f) + "\n";
  return sha256(list);
}

std::string shown(const project::Project& project, const fs::path& path) {
  fs::path inside = path.lexically_normal().lexically_relative(project.folder());
  return inside.empty() || *inside.begin() == ".." ? path.string() : inside.string();
}

nlohmann::json inputs_json(const project::Project& project, const std::vector<Input>& inputs) {
  nlohmann::json out = nlohmann::json::array();
  for (const Input& in : inputs)
    out.push_back({{"path", shown(project, in.path)}, {"sha256", in.hash}});
  return out;
}

bool is_signed_kind(const std::string& kind) {
  return kind == "video" || kind == "image" || kind == "audio" || kind == "report" ||
         kind == "timings";
}

/// A few kilobytes, so that players without the file at hand have something to show.
std::string thumbnail_of(const std::string& kind, const fs::path& path) {
  constexpr int kLongestPx = 160, kQuality = 60;
  if (kind != "video" && kind != "image") return "";
  try {
    media::VideoReader reader(path);
    if (const auto frame = reader.next())
      return media::encode_jpeg(frame->rgb8_scaled(kLongestPx), kQuality);
  } catch (const Error& e) {  // the manifest is whole without it
    log_warning("no thumbnail for the manifest: " + std::string(e.what()));
  }
  return "";
}

/// Of the first moving picture among the inputs: the sequence was made frame by frame from it.
Rational frame_rate_of(const std::vector<Input>& inputs) {
  for (const Input& in : inputs) {
    try {
      const media::VideoInfo info = media::probe(in.path);
      if (!info.is_still && !info.is_image_sequence) return info.frame_rate;
    } catch (const Error&) {  // a model, or a file that is gone
    }
  }
  return {0, 1};
}

constexpr const char* kTooWeak = "what is to be seen or heard is too short or too plain for it";

/// What can be said of the mark that was put in: the file is read again, as verify() will.
MarkFact mark_of(const Output& output, uint64_t watermark, const std::vector<Input>& inputs) {
  if (!watermark || (output.kind != "video" && output.kind != "image" && output.kind != "audio"))
    return {0, "it is no picture and no sound"};
  std::error_code ec;
  if (output.kind == "video" && fs::is_regular_file(output.temporary, ec)) {
    constexpr double kMostlyEnoughS = 2;  // of video that was hardly compressed
    try {
      const auto start = read_video_watermark(output.temporary, WatermarkKey::product(),
                                              WatermarkSearch::kQuick, kMostlyEnoughS);
      if (start.found && start.id == watermark) return {watermark, ""};
    } catch (const Error&) {  // no picture in it: said below
    }
  }
  Evidence found;
  const Rational rate = fs::is_directory(output.temporary) ? frame_rate_of(inputs) : Rational{0, 1};
  const nlohmann::json said = read_mark(output.temporary, output.kind == "audio" ? "audio/" : "",
                                        true, nlohmann::json{rate.num, rate.den}, found);
  if (found.mark == watermark || found.short_mark == still_id(watermark)) return {watermark, ""};
  if (said.value("fits", true)) return {watermark, kTooWeak};
  return {0, said.value("reason", "")};
}

struct Sealed {
  std::string label, manifest;
  bool embedded = true;
};

/// Signs `facts` into the file at `path` (under its temporary name).
Sealed seal(ManifestFacts facts, const fs::path& path, const SigningIdentity& signer) {
  const c2pa::Format format = c2pa::sniff(path);
  facts.mime = format.mime;
  facts.label = new_manifest_label();
  const fs::path made =
      path.parent_path() / (path.stem().string() + ".signed" + path.extension().string());
  Sealed out{facts.label, "", format.embeddable && facts.kind != "report"};
  const auto attempt = [&](bool with_files) {
    c2pa::Order order = manifest_order(facts, with_files);
    order.embed = out.embedded;
    out.manifest = c2pa::sign(order, path, made, signer);
  };
  std::error_code ec;
  try {
    try {
      attempt(true);
    } catch (const Error& e) {
      // An input whose own manifest cannot even be parsed must not stop the work.
      if (e.code() != ErrorCode::kInternal) throw;
      attempt(false);
      log_warning("the manifest of an input could not be carried along: " + std::string(e.what()));
    }
    if (out.embedded)
      fs::rename(made, path);
    else
      fs::remove(made, ec);
  } catch (...) {
    fs::remove(made, ec);
    throw;
  }
  return out;
}

/// Every image of a sequence; the first one's manifest stands for all.
Sealed seal_sequence(const ManifestFacts& facts, const fs::path& folder,
                     const SigningIdentity& signer) {
  const auto files = files_of(folder);
  if (files.empty())
    throw Error(ErrorCode::kDamaged, "the image sequence is empty", "run the command again");
  const std::string id = hex(random_bytes(16));
  const Rational rate = frame_rate_of(facts.inputs);
  std::vector<Sealed> sealed(files.size());
  parallel_for(0, static_cast<int>(files.size()), [&](int i) {
    ManifestFacts one = facts;
    one.thumbnail_jpeg.clear();  // the image is its own
    one.sequence = SequencePlace{id, i, static_cast<int64_t>(files.size()), rate};
    sealed[static_cast<size_t>(i)] = seal(std::move(one), files[static_cast<size_t>(i)], signer);
  });
  for (size_t i = 0; i < files.size(); ++i)
    if (!sealed[i].embedded)
      throw Error(ErrorCode::kUnsupported, "these images cannot hold a manifest",
                  "write png or tiff");
  return sealed.front();
}

}  // namespace

fs::path ledger_path(const project::Project& project) { return project.folder() / "ledger.jsonl"; }

uint64_t draw_watermark() {
  uint64_t id = 0;
  while (id == 0) {
    const auto bytes = random_bytes(sizeof id);
    std::memcpy(&id, bytes.data(), sizeof id);
  }
  return id;
}

void record_grant(const project::Project& project, const Grant& grant, int64_t job,
                  const std::vector<Input>& inputs) {
  Ledger(ledger_path(project))
      .append("granted",
              {{"job", job}, {"grant", grant.record()}, {"inputs", inputs_json(project, inputs)}});
}

Finished finish(const project::Project& project, const Grant& grant, int64_t job,
                const std::vector<Input>& inputs, const Output& output, uint64_t watermark) {
  if (grant.request().preview)
    throw Error(ErrorCode::kRefused, "a preview is not made into an output (preview-is-no-output)",
                "render it with: likeness swap");
  const auto began = std::chrono::steady_clock::now();
  Finished done{output.kind, output.path, "", "", "", 0};
  Sealed sealed;
  const bool signs = is_signed_kind(output.kind);
  const std::string made_at = project::now_utc();
  if (signs) {
    const SigningIdentity signer = SigningIdentity::open();
    const MarkFact mark = mark_of(output, watermark, inputs);
    watermark = mark.id;
    ManifestFacts facts{&grant, inputs, output.kind, "", "", made_at, mark, "", {}};
    if (fs::is_directory(output.temporary)) {
      sealed = seal_sequence(facts, output.temporary, signer);
    } else {
      facts.thumbnail_jpeg = thumbnail_of(output.kind, output.temporary);
      sealed = seal(std::move(facts), output.temporary, signer);
    }
    done.manifest = sealed.label;
  }
  done.hash = hash_of(output.temporary);
  if (!signs) watermark = 0;
  if (watermark) {
    const nlohmann::json about = {{"kind", output.kind},
                                  {"operation", operation_name(grant.request().operation)},
                                  {"made_at", made_at},
                                  {"sha256", done.hash}};
    ManifestStore::of_project(project.folder())
        .put(watermark, sealed.label, sealed.manifest, about);
    ManifestStore::of_user().put(watermark, sealed.label, sealed.manifest, about);
  }
  nlohmann::json out = {
      {"kind", output.kind}, {"path", shown(project, output.path)}, {"sha256", done.hash}};
  if (signs) out["manifest"] = sealed.label;
  if (watermark) out["watermark"] = watermark_text(watermark);
  // Before the rename: a line without its file is harmless, a file without its line is not.
  done.ledger_hash = Ledger(ledger_path(project))
                         .append("output", {{"job", job},
                                            {"grant", grant.record()},
                                            {"inputs", inputs_json(project, inputs)},
                                            {"output", std::move(out)}})
                         .hash;
  if (signs && !sealed.embedded) write_file_atomic(output.path.string() + ".c2pa", sealed.manifest);
  if (output.temporary != output.path) commit_file(output.temporary, output.path);
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return done;
}

void deliver(const std::vector<Delivery>& files, const Grant* grant) {
  SigningIdentity signer = SigningIdentity::open();
  if (files.size() > 1) signer.without_time_authority();
  const std::string made_at = project::now_utc();
  parallel_for(0, static_cast<int>(files.size()), [&](int i) {
    const auto& [output, inputs] = files[static_cast<size_t>(i)];
    const MarkFact none{0, "none was put in"};
    const Sealed sealed =
        seal({grant, inputs, output.kind, "", "", made_at, none, "", {}}, output.temporary, signer);
    if (!sealed.embedded) write_file_atomic(output.path.string() + ".c2pa", sealed.manifest);
    if (output.temporary != output.path) commit_file(output.temporary, output.path);
  });
}

void deliver_text(const fs::path& path, std::string_view text) {
  const fs::path temporary = temporary_name(path);
  write_file_atomic(temporary, text);
  deliver({{{"document", temporary, path}, {}}});
}

bool carries_manifest(const fs::path& path) {
  std::error_code ec;
  if (fs::is_regular_file(path.string() + ".c2pa", ec)) return true;
  try {
    return c2pa::read(path, c2pa::sniff(path).mime, "").has_value();
  } catch (const Error&) {  // gone, or broken: nothing that could be carried along
    return false;
  }
}

void record_change(const project::Project& project, const std::string& kind, const fs::path& path) {
  Ledger(ledger_path(project))
      .append("changed",
              {{"output",
                {{"kind", kind}, {"path", shown(project, path)}, {"sha256", sha256_file(path)}}}});
}

void write_preview_image(const Grant& grant, const std::vector<Input>& inputs, uint64_t watermark,
                         const fs::path& path, const Image8& image) {
  const bool fits = watermark && can_carry_watermark("image", image.width, image.height);
  Image8 marked = image;
  if (fits) embed_still_watermark(marked, still_id(watermark));
  std::string bytes = media::encode_png(marked);
  try {
    MarkFact mark{0, "the picture is too small to carry a mark"};
    if (fits) {
      const auto read =
          read_still_watermark(marked, WatermarkKey::product(), WatermarkSearch::kQuick);
      const bool found = read.found && read.id == still_id(watermark);
      mark = {watermark, found ? "" : kTooWeak};
    }
    SigningIdentity signer = SigningIdentity::open();
    signer.without_time_authority();
    // In memory: a person's picture is in clear in no file.
    const MemoryFile plain(bytes), made("");
    ManifestFacts facts{
        &grant, inputs, "image", "image/png", new_manifest_label(), project::now_utc(),
        mark,   "",     {}};
    c2pa::sign(manifest_order(facts), plain.path(), made.path(), signer);
    bytes = made.bytes();
  } catch (const Error& e) {  // a training goes on without
    log_warning("a preview could not be signed: " + std::string(e.what()));
  }
  write_file_atomic(path, bytes);
}

}  // namespace likeness::trust
