// SPDX-License-Identifier: Apache-2.0
// The names, ranges and help texts of WriterOptions; see base/options.h.
#pragma once

#include "likeness/base/options.h"
#include "likeness/media/video.h"

namespace likeness::media {

/// What a VideoWriter with these would refuse at its start: a container that is not known or cannot
/// hold the codec (kUsage), an encoder that is not there (kMissing). For asking before long work.
void check_output(const std::filesystem::path& path, const WriterOptions& options);

template <typename V>
void visit(WriterOptions& o, V&& f) {
  using enum OptionLevel;
  f("codec", o.codec,
    OptionInfo{.help = "codec of the output; png and tiff write a folder of images",
               .choices = {"h264", "h265", "prores", "ffv1", "png", "tiff"}});
  f("crf", o.crf,
    OptionInfo{
        .help = "quality of h264 and h265: lower is better and larger", .min = 0, .max = 51});
  f("preset", o.preset,
    OptionInfo{.help = "speed of h264 and h265: slower is smaller",
               .choices = {"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow",
                           "slower", "veryslow"}});
  f("hardware", o.hardware, OptionInfo{.help = "use the hardware encoder where one works"});
  f("bit_depth", o.bit_depth,
    OptionInfo{.help = "bits per sample; 0 keeps the source's",
               .unit = "bit",
               .min = 0,
               .max = 16,
               .level = kAdvanced});
  f("chroma", o.chroma,
    OptionInfo{.help = "colour resolution; some players open 420 only",
               .choices = {"source", "420", "422", "444"},
               .level = kAdvanced});
  f("threads", o.threads,
    OptionInfo{.help = "encoder threads; 0 takes all", .min = 0, .max = 256, .level = kAdvanced});
  f("profile", o.profile,
    OptionInfo{.help = "ProRes profile; empty is hq",
               .choices = {"", "proxy", "lt", "standard", "hq", "4444"},
               .level = kAdvanced});
}

}  // namespace likeness::media
