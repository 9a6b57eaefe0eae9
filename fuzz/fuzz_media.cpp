// SPDX-License-Identifier: Apache-2.0
// Clips and sounds: what our reader makes of what FFmpeg finds in them (times, rotation, sizes,
// sample rates). FFmpeg itself is not instrumented.
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "fuzz.h"

#include "likeness/media/audio_file.h"
#include "likeness/media/video.h"

LIKENESS_FUZZ_TARGET(bytes) {
  using namespace likeness;
  static const auto file = std::filesystem::temp_directory_path() /
                           ("likeness-fuzz-media-" + std::to_string(::getpid()));
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  // Each on its own: a file that is no film may be a sound.
  const auto attempt = [](auto&& f) {
    try {
      f();
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kInternal) std::terminate();
    }
  };
  attempt([] {
    const auto info = media::probe(file);
    if (info.width > 256 || info.height > 256) return;
    media::VideoReader reader(file, {.threads = 1});
    for (int i = 0; i < 4; ++i) {
      const auto frame = reader.next();
      if (!frame) break;
      frame->rgb_float();
    }
    reader.seek(1);
    reader.next();
  });
  attempt([] { media::read_audio(file, 5); });
}
