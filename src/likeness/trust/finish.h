// SPDX-License-Identifier: Apache-2.0
// The last step of every task that leaves a file: the file gets its proof of origin, the ledger its
// line, and only then the file its name. Watermark (frames, in OutputVideo) and C2PA manifest (the
// finished file, in finish()) plug in here; the runner calls it, so a task cannot leave it out.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

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
  std::string kind;  ///< video, image, faceset, model, report
  std::filesystem::path temporary, path;
};

struct Finished {
  std::string kind;
  std::filesystem::path path;
  std::string hash;         ///< of the file as it now is
  std::string ledger_hash;  ///< of its line
};

/// Completes the file, writes the ledger line {job, grant, inputs, output}, then renames it to its
/// place.
Finished finish(const project::Project& project, const Grant& grant, int64_t job,
                const std::vector<Input>& inputs, const Output& output);

/// The only way for a task to write rendered video: a media::VideoWriter that is bound to a grant.
/// (media::VideoWriter itself may not be used in tasks; scripts/check-architecture sees to it.)
class OutputVideo {
 public:
  OutputVideo(const Grant& grant, const std::filesystem::path& path, const media::VideoInfo& like,
              const media::WriterOptions& options);
  OutputVideo(OutputVideo&&) noexcept = default;
  void write(const media::Frame& frame);
  void finish();
  const std::string& encoder_name() const;

 private:
  std::string grant_id_;
  std::unique_ptr<media::VideoWriter> writer_;
};

std::filesystem::path ledger_path(const project::Project& project);

}  // namespace likeness::trust
