// SPDX-License-Identifier: Apache-2.0
// Footage of bench_watermark.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace likeness::bench {

inline bool run_ffmpeg(const std::string& arguments) {
  return std::system(("ffmpeg -nostdin -v error -y " + arguments + " </dev/null").c_str()) == 0;
}

struct Clip {
  std::string name, source;  ///< source: ffmpeg's input arguments and filters
};

/// Twelve clips, the first ten as different from each other as the shared data allow: rendered
/// faces, filmed faces, MPEG-1, a table of bottles, grain, a slow pan, small and 720p.
inline std::vector<Clip> video_clips(const std::filesystem::path& shared) {
  const std::string s = std::filesystem::absolute(shared).string();
  const auto at = [&](double from, const std::string& file, const std::string& more = "") {
    return "-ss " + std::to_string(from) + " -i " + s + "/" + file + " " + more;
  };
  const std::string hd =
      "-vf scale=1280:720:flags=lanczos:force_original_aspect_ratio=increase,"
      "crop=1280:720";
  return {
      {"ava-take 384", at(0, "performers/ava-to-ben-take.mp4")},
      {"franck 360x288 at 20 s", at(20, "data/talking-face/franck.mp4")},
      {"hard cases 640x360", at(2, "data/derived/hard_cases_dev.mp4")},
      {"ben-train 384", at(5, "performers/ben-train.mp4")},
      {"grid-s1 360x288", "-i 'concat:" + s + "/data/grid-s1/bbaf2n.mpg|" + s +
                              "/data/grid-s1/bgin3a.mpg|" + s + "/data/grid-s1/lrwz5a.mpg'"},
      {"bottles 640x360", at(6, "data/intel-sample-videos/bottle-detection.mp4")},
      {"cleo-train 384", at(10, "performers/cleo-train.mp4")},
      {"franck to 640x360, grain", at(60, "data/talking-face/franck.mp4",
                                      "-vf crop=352:198,scale=640:360,noise=alls=4:allf=t")},
      {"pan over a painting 720p", "-loop 1 -framerate 25 -i " + s +
                                       "/data/public-domain/painting_girl_pearl_earring.jpg -vf "
                                       "scale=1400:-2,crop=1280:720:0:'40*t',noise=alls=3:allf=t"},
      {"cleo-train to 720p", at(2, "performers/cleo-train.mp4", hd)},
      {"franck 360x288 at 150 s", at(150, "data/talking-face/franck.mp4")},
      {"ava-train 384", at(12, "performers/ava-train.mp4")}};
}

}  // namespace likeness::bench
