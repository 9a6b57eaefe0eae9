// SPDX-License-Identifier: Apache-2.0
// The last step of every task that leaves a file: the file gets its proof of origin, the ledger its
// line, and only then the file its name. The runner calls finish(), so a task cannot leave it out;
// rendered pixels leave a task only through OutputVideo and write_output_image, which put the mark
// in.
//
// What no job makes but leaves the program all the same (crops and sheets of footage, pages, texts)
// goes through deliver() and gets its proof the same way.
//
// Order, so that a kill at any moment loses nothing and lies about nothing: sign the temporary
// file, keep its manifest (project and home), write the ledger line, then rename. Files whose
// container cannot hold a manifest (mkv, nut, reports) get it beside them: FILE.c2pa. Of an image
// sequence every image is signed, with its number and the length of the sequence.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "likeness/base/image.h"
#include "likeness/media/video.h"
#include "likeness/trust/consent.h"

namespace likeness::trust {

/// A file that went into the work.
struct Input {
  std::filesystem::path path;
  std::string hash;  ///< SHA-256
};

/// A file a task made, still under its temporary name.
struct Output {
  /// video, image, audio, report, timings: signed; of deliver(): crop, sheet, page, document;
  /// everything else (faceset, model, card, voice, ...) is in the ledger only
  std::string kind;
  std::filesystem::path temporary, path;
};

struct Finished {
  std::string kind;
  std::filesystem::path path;
  std::string hash;         ///< of the file as it now is
  std::string ledger_hash;  ///< of its line
  std::string manifest;     ///< label of its manifest, urn:c2pa:…; empty when not signed
  double seconds = 0;       ///< that finish() took
};

/// A fresh id for the mark of a job's outputs; never 0.
uint64_t draw_watermark();

/// The ledger line "granted" of a job that begins (job 0: an action outside the queue): what was
/// allowed to whom, on what, is known even where nothing came of it.
void record_grant(const project::Project& project, const Grant& grant, int64_t job,
                  const std::vector<Input>& inputs);

/// Completes the file, writes the ledger line {job, grant, inputs, output}, then renames it to its
/// place. `watermark` is the id that video and images carry, 0 when they carry none.
Finished finish(const project::Project& project, const Grant& grant, int64_t job,
                const std::vector<Input>& inputs, const Output& output, uint64_t watermark = 0);

/// A file that no job of the runner makes, and what it was made from.
struct Delivery {
  Output output;
  std::vector<Input> inputs;
};
/// Signs the files (inside, or beside them where their format cannot hold a manifest) and gives
/// them their names; `temporary` may be the name already. `grant`: where the likeness of a person
/// is in them. No line of the ledger is written. Only a file alone gets a time stamp.
void deliver(const std::vector<Delivery>& files, const Grant* grant = nullptr);

/// The same for a text of the program's own: a report, a ledger, a bundle of papers.
void deliver_text(const std::filesystem::path& path, std::string_view text);

/// Whether a file has content credentials of its own, inside or beside it.
bool carries_manifest(const std::filesystem::path& path);

/// The ledger line of a file of the project that was changed in place (a faceset that was pruned).
void record_change(const project::Project& project, const std::string& kind,
                   const std::filesystem::path& path);

/// Whether the mark fits into such a picture; small ones carry none, and their manifest says so.
bool can_carry_watermark(const std::string& kind, int width, int height);

/// The only way for a task to write rendered video: a media::VideoWriter that is bound to a grant
/// and puts the mark into every frame. (media::VideoWriter itself may not be used in tasks;
/// scripts/check-architecture sees to it.)
class OutputVideo {
 public:
  /// `label`: a preset of label.h, drawn before the mark goes in.
  OutputVideo(const Grant& grant, uint64_t watermark, const std::filesystem::path& path,
              const media::VideoInfo& like, const media::WriterOptions& options,
              const std::string& label = "none");
  OutputVideo(OutputVideo&&) noexcept;
  ~OutputVideo();
  /// See VideoWriter::copy_audio_from.
  void copy_audio_from(const std::filesystem::path& source, double start_s = 0);
  void write(const media::Frame& frame);
  void finish();
  const std::string& encoder_name() const;
  double mark_s() const;  ///< time the mark has taken so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The same for a still: PNG or JPEG by extension.
void write_output_image(const Grant& grant, uint64_t watermark, const std::filesystem::path& path,
                        const Image8& image);

/// A picture to look at while a model is trained: marked and signed like an output (a person's in
/// memory, because it lies sealed: base/sealed_file.h), but no line of the ledger and no stamp of
/// its time, because there is one every few seconds.
void write_preview_image(const Grant& grant, const std::vector<Input>& inputs, uint64_t watermark,
                         const std::filesystem::path& path, const Image8& image);

std::filesystem::path ledger_path(const project::Project& project);

}  // namespace likeness::trust
