// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/finish.h"

namespace likeness::trust {

OutputVideo::OutputVideo(const Grant& grant, const std::filesystem::path& path,
                         const media::VideoInfo& like, const media::WriterOptions& options)
    : grant_id_(grant.id()), writer_(std::make_unique<media::VideoWriter>(path, like, options)) {}
void OutputVideo::write(const media::Frame& frame) { writer_->write(frame); }
void OutputVideo::finish() { writer_->finish(); }
const std::string& OutputVideo::encoder_name() const { return writer_->encoder_name(); }

}  // namespace likeness::trust
