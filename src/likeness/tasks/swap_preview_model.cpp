// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include <ATen/Parallel.h>

#include "likeness/base/error.h"
#include "likeness/base/file_facts.h"
#include "likeness/base/hash.h"
#include "likeness/base/threads.h"
#include "likeness/swap/render.h"
#include "likeness/tasks/choose_tracks.h"
#include "likeness/tasks/consent_check.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/tasks/media_library.h"
#include "likeness/tasks/model_info.h"
#include "likeness/tasks/presets.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/swap.h"
#include "likeness/tasks/swap_polygons.h"
#include "likeness/tasks/swap_preview.h"
#include "likeness/tasks/swap_segment.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/watermark_still.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
namespace {

constexpr int kJpegQuality = 85;
constexpr size_t kMostRenderers = 3, kMostGrants = 8, kMostChoices = 64;
/// A grant is asked for again after this long, and at once when the ledger changed.
constexpr auto kGrantLife = std::chrono::seconds(5);

/// The same face in a frame that was made `scale` times as large.
face::Face scaled(face::Face f, float scale) {
  for (auto& p : f.points) p = {p.x * scale, p.y * scale, p.z * scale};
  f.box = {f.box.x0 * scale, f.box.y0 * scale, f.box.x1 * scale, f.box.y1 * scale};
  f.pose.scale_px_per_cm *= scale;
  f.pose.translation_px = f.pose.translation_px * scale;
  f.pose.translation_z_px *= scale;
  f.quality.size_px *= scale;
  return f;
}

Point2 motion_of(const std::vector<face::Face>& faces, const face::Face& f) {
  const face::Face *before = nullptr, *after = nullptr;
  for (const auto& other : faces) {
    if (other.track != f.track) continue;
    if (other.frame == f.frame - 1) before = &other;
    if (other.frame == f.frame + 1) after = &other;
  }
  return face_motion(before, f, after);
}

/// One id for all previews of a project.
uint32_t preview_mark(project::Project& project) {
  const std::string text = trust::hmac_sha256_hex(watermark_secret(project), "studio preview");
  return static_cast<uint32_t>(std::stoul(text.substr(0, 8), nullptr, 16));
}

Image8 grey(const ImageF& mask) {
  Image8 out(mask.width, mask.height, 3);
  for (size_t i = 0; i < mask.data.size(); ++i)
    std::fill_n(out.data.begin() + static_cast<std::ptrdiff_t>(3 * i), 3,
                static_cast<uint8_t>(std::lround(255 * std::clamp(mask.data[i], 0.0f, 1.0f))));
  return out;
}

/// A comment segment right after the JPEG's start marker.
std::string with_comment(std::string jpeg, const std::string& comment) {
  if (jpeg.size() < 2) return jpeg;
  const size_t length = comment.size() + 2;
  std::string segment = "\xff\xfe";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 0xff);
  return jpeg.insert(2, segment + comment);
}

}  // namespace

struct SwapPreviews::Impl {
  struct Loaded {
    std::string key;
    std::shared_ptr<const swap::Renderer> renderer;
  };
  struct Allowed {
    std::string key;
    Clock::time_point at;
    trust::Grant grant;
  };
  struct Choice {
    std::string key;
    std::vector<int> tracks;
    std::string why;
  };
  std::mutex mutex;
  std::vector<Loaded> renderers;  ///< newest last
  std::vector<Allowed> grants;
  std::set<std::string> told;  ///< what the ledger has a line of, since the program started
  std::vector<Choice> choices;
  std::map<std::string, std::string> hashes;  ///< of clips, by path and stamp

  /// Another film put in its place since its faces were found has been looked at by nobody.
  void require_same_film(const fs::path& clip, const std::string& known) {
    std::string& hash = hashes[clip.string() + "|" + file_stamp(clip)];
    if (hash.empty()) hash = hash_media(clip);
    if (hash != known)
      throw Error(
          ErrorCode::kRefused,
          clip.filename().string() + " is not the film whose faces were found (clip-changed)",
          "put the film back, or find the faces again");
  }

  const trust::Grant& allow(const SwapPreviewRequest& r, const std::vector<SwapEntry>& layers,
                            const trust::Input& input) {
    std::string what = r.project.folder().string() + "|" + input.hash;
    trust::Request ask{.task = "preview", .operation = trust::Operation::kSwap};
    ask.subjects = swap_subjects(layers);
    ask.preview = true;
    for (const auto& l : layers) what += "|" + l.model.name;
    const auto stamped = [&] { return file_stamp(trust::ledger_path(r.project)) + "|" + what; };
    const auto now = Clock::now();
    std::erase_if(grants, [&](const Allowed& a) { return now - a.at > kGrantLife; });
    for (const auto& a : grants)
      if (a.key == stamped()) return a.grant;
    trust::Grant grant = trust::authorise(r.project, ask);
    check_material(r.project, grant);
    Progress silent;
    const Cancel never;
    check_footage(r.project, grant, {input}, silent, never);
    // One line for all frames of a clip that are looked at; it changes the stamp.
    if (told.insert(what).second) trust::record_grant(r.project, grant, 0, {input});
    if (grants.size() >= kMostGrants) grants.erase(grants.begin());
    grants.push_back({stamped(), Clock::now(), std::move(grant)});
    return grants.back().grant;
  }

  /// The newest grants hold the keys of sealed models while this is called.
  std::shared_ptr<const swap::Renderer> renderer(const fs::path& weights,
                                                 const swap::SwapOptions& options) {
    const std::string file = weights.string() + "|" + file_stamp(weights) + "|" + options.device +
                             "|" + options.precision;
    for (auto it = renderers.begin(); it != renderers.end(); ++it)
      if (it->key == file) {
        std::rotate(it, it + 1, renderers.end());
        return std::make_shared<const swap::Renderer>(*renderers.back().renderer, options);
      }
    std::erase_if(renderers, [&](const Loaded& l) {
      return l.key.rfind(weights.string() + "|", 0) == 0;  // an older training of the same model
    });
    if (renderers.size() >= kMostRenderers) renderers.erase(renderers.begin());
    renderers.push_back({file, std::make_shared<const swap::Renderer>(weights, options)});
    return renderers.back().renderer;
  }

  const Choice& choose(const SwapPreviewRequest& r, const std::string& who) {
    std::string key = r.project.folder().string() + "|" + std::to_string(r.media) + "|" + who;
    for (const auto& t : r.project.tracks(r.media))
      key += "|" + std::to_string(t.track) + t.subject;
    if (who.find_first_not_of("0123456789") != std::string::npos && who != "*")
      key += file_stamp(r.project.faceset_path(who));
    for (const auto& c : choices)
      if (c.key == key) return c;
    const WhoseTracks whose = tracks_of(r.project, r.media, who);
    if (choices.size() >= kMostChoices) choices.erase(choices.begin());
    choices.push_back({key, whose.tracks, whose.why});
    return choices.back();
  }
};

SwapPreviews::SwapPreviews() : impl_(new Impl) {}
SwapPreviews::~SwapPreviews() = default;

void SwapPreviews::forget() {
  std::lock_guard lock(impl_->mutex);
  impl_->renderers.clear();
  impl_->grants.clear();
  impl_->choices.clear();
}

SwapPreview SwapPreviews::render(const SwapPreviewRequest& r, const Decode& decode) {
  auto options = resolve_options<SwapTaskOptions>(
      "swap", &r.project, r.options.is_object() ? r.options : nlohmann::json());
  const auto layers = swap_entries(r.project, r.model, r.map, options.any_face);
  if (layers.empty()) throw Error(ErrorCode::kUsage, "no model was named", "choose a model");
  const auto polygons = parse_polygons(r.polygons);
  const auto row = media_row(r.project, r.media);
  if (row.analysis.empty())
    throw Error(ErrorCode::kNoFace, "the faces of this clip are not known yet",
                "find them first: queue 'analyse' or 'extract' for it");
  const fs::path clip = media_file(r.project, row);

  std::lock_guard lock(impl_->mutex);
  flush_denormals();
  at::set_num_threads(thread_count());
  impl_->require_same_film(clip, row.hash);
  impl_->allow(r, layers, {clip, row.hash});
  media::Frame frame = decode(clip, r.frame);
  float scale = 1;
  if (r.width > 0 && r.width < frame.width()) {
    // The whole work at the size that is shown.
    const Image8 small =
        frame.rgb8_scaled(longest_for_width(frame.width(), frame.height(), r.width));
    scale = static_cast<float>(small.width) / static_cast<float>(frame.width());
    frame = media::Frame::from_rgb8(small, r.frame, {25, 1});
  }
  auto faces = r.project.faces(r.media, r.frame - 1, r.frame + 2);
  std::erase_if(faces, [](const face::Face& f) { return !f.has_points; });  // somebody else's
  SwapPreview out;
  ImageF used;
  bool any_here = false;
  for (const auto& layer : layers) {
    const auto& choice = impl_->choose(r, layer.who);
    std::vector<swap::Target> targets;
    for (const auto& f : faces) {
      any_here = any_here || f.frame == r.frame;
      if (f.frame != r.frame ||
          std::find(choice.tracks.begin(), choice.tracks.end(), f.track) == choice.tracks.end())
        continue;
      targets.push_back({scale == 1 ? f : scaled(f, scale), motion_of(faces, f) * scale});
    }
    if (targets.empty()) {
      out.why = choice.tracks.empty()
                    ? "'" + layer.who + "' was not found in this clip: " + choice.why
                    : "'" + layer.who + "' is not in this frame";
      continue;
    }
    impl_->renderer(layer.model.weights, options.swap)
        ->render(frame, targets, polygons, r.mask ? &used : nullptr);
    out.faces += static_cast<int>(targets.size());
  }
  if (out.faces > 0) out.why.clear();
  if (!any_here) out.why = "no face in this frame";
  if (r.mask) {
    if (used.empty()) used = ImageF(frame.width(), frame.height(), 1);
    out.jpeg = media::encode_jpeg(grey(used), kJpegQuality);
    return out;
  }
  Image8 image = frame.rgb8();
  if (out.faces > 0 && trust::still_watermark_fits(image.width, image.height))
    trust::embed_still_watermark(image, preview_mark(r.project));
  out.jpeg = media::encode_jpeg(image, kJpegQuality);
  if (out.faces > 0)
    out.jpeg = with_comment(std::move(out.jpeg), "Likeness: preview of a synthetic face");
  return out;
}

}  // namespace likeness::tasks
