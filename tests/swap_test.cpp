// SPDX-License-Identifier: Apache-2.0
// Train a little, swap, score: what comes out is asserted, not that something comes out.
#include <algorithm>
#include <cmath>

#include "program.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;

constexpr int kMark = 8;  ///< grey levels a watermark may change a pixel by

class Swap : public ProgramTest {
 protected:
  /// Facesets of both performers and a model of a few steps.
  void trained_project() const {
    ok({"project", "new", "film"});
    for (const char* s : {"ben", "ava"}) ok({"subject", "add", "film", s, "--kind", "synthetic"});
    ok({"extract", "film", clip("ben-train", 0, 80).string(), "--subject", "ben"});
    ok({"extract", "film", clip("ava-train", 0, 60).string(),
        clip("ava-to-ben-take", 0, 40).string(), "--subject", "ava"});
    const auto j =
        ok({"train", "film", "--model", "m", "--identity", "ben", "--performer", "ava", "--preset",
            "quick", "--minutes", "0", "--steps", "15", "--resolution-px", "128", "--batch", "2"});
    EXPECT_EQ(j["step"], 15);
    EXPECT_EQ(j["stopped_by"], "steps");
    EXPECT_TRUE(std::isfinite(j["loss"].get<double>()));
  }
  /// Video without its first `skip` frames joined to another: what lies behind a face-free second.
};

TEST_F(Swap, TrainSwapEvaluate) {
  NEEDS_MODELS();
  trained_project();
  const fs::path take = clip("ava-to-ben-take", 0, 40),
                 truth = clip("ava-to-ben-truth-toned", 0, 40),
                 mask = clip("ava-to-ben-mask", 0, 40);
  const auto j = ok({"swap", "film", "--model", "m", take.string(), "-o", "out.mp4"});
  EXPECT_EQ(j["frames"], 40);
  EXPECT_EQ(j["frames_swapped"], 40);
  EXPECT_EQ(j["frames_passed"], 0);
  const auto info = media::probe(folder_ / "out.mp4");
  EXPECT_EQ(info.width, 384);
  EXPECT_TRUE(info.has_audio);
  EXPECT_NEAR(info.duration_s, 1.6, 0.1);
  // From an in to an out point: those frames, from 0 on, with their sound.
  const auto part =
      ok({"swap", "film", "--model", "m", take.string(), "-o", "part.mp4", "--frames", "10-24"});
  EXPECT_EQ(part["frames"], 15);
  EXPECT_EQ(part["frames_swapped"], 15);
  EXPECT_EQ(part["part"], (nlohmann::json{{"first", 10}, {"last", 24}}));
  const auto short_info = media::probe(folder_ / "part.mp4");
  EXPECT_TRUE(short_info.has_audio);
  EXPECT_NEAR(short_info.duration_s, 0.6, 0.05);
  const auto whole_frames = frames_of(folder_ / "out.mp4"),
             part_frames = frames_of(folder_ / "part.mp4");
  ASSERT_EQ(part_frames.size(), 15u);
  const auto difference = [&](size_t i, size_t k) {
    double sum = 0;
    for (size_t b = 0; b < part_frames[i].data.size(); ++b)
      sum += std::abs(part_frames[i].data[b] - whole_frames[k].data[b]);
    return sum / static_cast<double>(part_frames[i].data.size());
  };
  // Marks and the encoder make two films of one frame differ by about 2; ten frames off is more.
  for (size_t i : {0u, 7u, 14u}) {
    EXPECT_LT(difference(i, i + 10), 3.0) << i;
    EXPECT_LT(difference(i, i + 10), difference(i, i)) << i;
  }
  EXPECT_EQ(ok({"verify", "part.mp4"})["files"][0]["verdict"], "synthetic-verified");
  fails({"swap", "film", "--model", "m", take.string(), "-o", "no.mp4", "--frames", "30-40"},
        "usage", "no frame 40");
  fails({"swap", "film", "--model", "m", take.string(), "-o", "no.mp4", "--frames", "9-3"}, "usage",
        "9-3");

  const auto e =
      ok({"evaluate", "film", "out.mp4", "--target", take.string(), "--identity", "ben",
          "--performer", "ava", "--truth", truth.string(), "--mask", mask.string(), "--html",
          "report.html", "--sheet", "sheet.png", "--side-by-side", "side.mp4"});
  for (const char* key :
       {"frames", "frames_swapped", "frames_passed", "distance_to_identity",
        "distance_to_performer", "closer_to_identity_pct", "landmark_error_pct", "pose_error_deg",
        "ssim_truth", "psnr_truth", "ssim_outside", "jitter_px", "flicker"})
    EXPECT_TRUE(e.contains(key) && e[key].is_number()) << key;
  EXPECT_EQ(e["frames_swapped"], 40);
  // Even a model of a few steps starts from the identity's own appearance: nearer to the truth than
  // doing nothing.
  EXPECT_GT(e["psnr_truth"], e["psnr_untouched"]);
  EXPECT_LT(e["distance_to_identity"], e["distance_to_performer"]);
  EXPECT_GT(e["ssim_outside"], 0.97);
  EXPECT_LT(e["landmark_error_pct"], 15);
  EXPECT_NE(read_file(folder_ / "report.html").find("<svg"), std::string::npos);
  EXPECT_GE(media::read_image(folder_ / "sheet.png").width, 3 * 128);
  EXPECT_EQ(media::VideoReader(folder_ / "side.mp4").count_frames(), 40);

  // Every file is in the ledger with its hash, by a grant that names the identity.
  bool found = false;
  const std::string ledger = read_file(folder_ / "film/ledger.jsonl"),
                    hash = sha256_file(folder_ / "out.mp4");
  for (size_t at = 0, end; (end = ledger.find('\n', at)) != std::string::npos; at = end + 1) {
    const auto line = nlohmann::json::parse(ledger.substr(at, end - at));
    const auto& body = line["body"];
    if (!body.contains("output") || !body["output"].is_object() ||
        body["output"].value("sha256", "") != hash)
      continue;
    found = true;
    EXPECT_EQ(line["body"]["grant"]["operation"], "swap");
    EXPECT_EQ(line["body"]["grant"]["subjects"][0]["name"], "ben");
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(leftovers(folder_).empty());

  // The identity becomes a person (another project with the same model): refused.
  ok({"subject", "remove", "film", "ben"});
  ok({"subject", "add", "film", "ben", "--kind", "person"});
  fails({"swap", "film", "--model", "m", take.string(), "-o", "no.mp4"}, "refused",
        "person-needs-consent-record");
  EXPECT_FALSE(fs::exists(folder_ / "no.mp4"));
}

TEST_F(Swap, OneChunkIsSevenChunksAndThreadsDoNotMatter) {
  NEEDS_MODELS();
  trained_project();
  const std::string take = clip("ava-to-ben-take", 0, 35).string();
  auto swap = [&](const std::string& out, const std::string& chunk, const std::string& threads) {
    ok({"swap", "film", "--model", "m", take, "-o", out, "--codec", "ffv1", "--chunk-frames",
        chunk},
       {.environment = {"LIKENESS_THREADS=" + threads}});
    return frames_of(folder_ / out);
  };
  const auto one = swap("one.mkv", "35", "1"), seven = swap("seven.mkv", "5", "2");
  const auto source = frames_of(take);
  ASSERT_EQ(one.size(), 35u);
  ASSERT_EQ(seven.size(), 35u);
  int64_t changed = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].data, seven[i].data) << "frame " << i;
    for (size_t k = 0; k < one[i].data.size(); ++k)
      changed += std::abs(one[i].data[k] - source[i].data[k]) > kMark;
    // The corners are far from any mask: the input's, but for the watermark (that the renderer
    // itself leaves them alone to the bit is tested in swap/render_test.cpp).
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 40 * 3; ++x)
        ASSERT_NEAR(one[i].row(y)[x], source[i].row(y)[x], kMark) << i << " " << x << " " << y;
  }
  EXPECT_GT(changed, 35 * 384 * 384 * 3 / 100) << "nothing was swapped";

  // Other settings for some frames, across the borders of chunks: those and no others change.
  ok({"swap", "film", "--model", "m", take, "-o", "ranged.mkv", "--codec", "ffv1", "--chunk-frames",
      "8", "--range", "6-17:opacity=0", "--range", "30-30:opacity=0"});
  const auto ranged = frames_of(folder_ / "ranged.mkv");
  ASSERT_EQ(ranged.size(), 35u);
  for (size_t i = 0; i < ranged.size(); ++i) {
    const auto& wanted = (i >= 6 && i <= 17) || i == 30 ? source[i] : one[i];
    int worst = 0;  // two marks may lie between them: other options, another mark
    for (size_t k = 0; k < wanted.data.size(); ++k)
      worst = std::max(worst, std::abs(ranged[i].data[k] - wanted.data[k]));
    EXPECT_LE(worst, 2 * kMark) << "frame " << i;
  }
  fails({"swap", "film", "--model", "m", take, "-o", "no.mkv", "--range", "0-9:opacity=7"}, "usage",
        "opacity");
  fails({"swap", "film", "--model", "m", take, "-o", "no.mkv", "--range", "9-0:"}, "usage",
        "range");
}

TEST_F(Swap, DrawnPolygonsHoldInTheirFramesWhateverTheChunks) {
  NEEDS_MODELS();
  trained_project();
  const std::string take = clip("ava-to-ben-take", 0, 35).string();
  // One that follows the face in some frames, one that stands still; a file and the list itself.
  const std::string polygons = R"([
    {"first":6,"last":17,"kind":"exclude","points":[[-1,-1],[2,-1],[2,2],[-1,2]]},
    {"first":25,"last":34,"kind":"exclude","on":"frame","points":[[0,0],[0.5,0],[0.5,1],[0,1]]},
    {"first":30,"last":34,"kind":"include","on":"face","points":[[0.2,0.2],[0.8,0.2],[0.5,0.8]]}])";
  write_file_atomic(folder_ / "drawn.json", polygons);
  auto swap = [&](const std::string& out, const std::string& chunk, const std::string& drawn) {
    std::vector<std::string> args = {"swap",    "film", "--model",        "m",  take, "-o", out,
                                     "--codec", "ffv1", "--chunk-frames", chunk};
    if (!drawn.empty()) args.insert(args.end(), {"--polygons", drawn});
    ok(args);
    return frames_of(folder_ / out);
  };
  const auto source = frames_of(take), plain = swap("plain.mkv", "35", ""),
             one = swap("one.mkv", "35", "drawn.json"), seven = swap("seven.mkv", "5", polygons);
  ASSERT_EQ(one.size(), 35u);
  ASSERT_EQ(seven.size(), 35u);
  const auto near = [](const Image8& a, const Image8& b, int x0, int x1) {
    int worst = 0;
    for (int y = 0; y < a.height; ++y)
      for (int x = 3 * x0; x < 3 * x1; ++x)
        worst = std::max(worst, std::abs(a.row(y)[x] - b.row(y)[x]));
    return worst <= 2 * kMark;  // two marks may lie between them: other settings, another mark
  };
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].data, seven[i].data) << "frame " << i;
    const int width = one[i].width, half = width / 2;
    const bool all = i >= 6 && i <= 17, left = i >= 25 && i < 30;
    if (all) {
      EXPECT_TRUE(near(one[i], source[i], 0, width)) << i;
      EXPECT_FALSE(near(plain[i], source[i], 0, width)) << i;
    } else if (left) {
      EXPECT_TRUE(near(one[i], source[i], 0, half - 2)) << i;
      EXPECT_FALSE(near(one[i], source[i], half + 2, width)) << i;
    } else if (i >= 30) {
      EXPECT_FALSE(near(one[i], source[i], 0, half - 2)) << "what is included later counts: " << i;
    } else {
      EXPECT_TRUE(near(one[i], plain[i], 0, width)) << i;
    }
  }
  fails({"swap", "film", "--model", "m", take, "-o", "no.mkv", "--polygons", R"([{"first":0}])"},
        "usage", "polygon 0");
  fails({"swap", "film", "--model", "m", take, "-o", "no.mkv", "--polygons", "nowhere.json"},
        "not_found", "nowhere.json");
}

TEST_F(Swap, FramesWithoutTheFacePassUnchangedAndAreCounted) {
  NEEDS_MODELS();
  trained_project();
  // 20 frames of ava, then 10 of grey.
  media::VideoReader reader(clip("ava-to-ben-take", 0, 40));
  {
    media::WriterOptions options;
    options.codec = "ffv1";
    media::VideoWriter writer(folder_ / "mixed.mkv", reader.info(), options);
    for (int i = 0; i < 20; ++i) writer.write(*reader.next());
    for (int i = 20; i < 30; ++i) {
      auto frame = *reader.next();
      const ImageF grey(384, 384, 3, 0.5f), all(384, 384, 1, 1.0f);
      frame.blend_rgb({0, 0, 384, 384}, grey, all);
      writer.write(frame);
    }
    writer.finish();
  }
  const auto j =
      ok({"swap", "film", "--model", "m", "mixed.mkv", "-o", "out.mkv", "--codec", "ffv1"});
  EXPECT_EQ(j["frames"], 30);
  EXPECT_NEAR(j["frames_swapped"].get<double>(), 20, 1);
  EXPECT_NEAR(j["passed"]["no_face"].get<double>(), 10, 1);
  const auto in = frames_of(folder_ / "mixed.mkv"), out = frames_of(folder_ / "out.mkv");
  ASSERT_EQ(out.size(), 30u);
  for (size_t i = 22; i < 30; ++i)
    for (size_t k = 0; k < in[i].data.size(); ++k)
      ASSERT_NEAR(in[i].data[k], out[i].data[k], kMark) << i;
  EXPECT_NE(in[5].data, out[5].data);
  // ben is not the performer of this model.
  fails({"swap", "film", "--model", "m", clip("ben-train", 0, 24).string(), "-o", "no.mp4"},
        "no_face", "ava");
  EXPECT_FALSE(fs::exists(folder_ / "no.mp4"));
  EXPECT_EQ(ok({"swap", "film", "--model", "m", clip("ben-train", 0, 24).string(), "-o", "any.mp4",
                "--any-face"})["frames_swapped"],
            24);
}

TEST_F(Swap, TrainingGoesOnWhereItWas) {
  NEEDS_MODELS();
  trained_project();
  const std::vector<std::string> more = {
      "train",       "film", "--model",         "m",     "--identity", "ben",
      "--performer", "ava",  "--preset",        "quick", "--minutes",  "0",
      "--steps",     "18",   "--resolution-px", "128",   "--batch",    "2"};
  EXPECT_EQ(ok(more)["step"], 18);
  // Another identity under the same name is not the same model.
  ok({"subject", "add", "film", "cleo", "--kind", "synthetic"});
  fails({"train", "film", "--model", "m", "--identity", "cleo", "--performer", "ava", "--steps",
         "20"},
        "not_found", "cleo");
  // Ctrl-C during training saves what there is. (Step 20 is the first that is logged now.)
  const auto log = folder_ / "film/models/m/log.jsonl";
  const Outcome o = likeness(
      {"train", "film", "--model", "m", "--identity", "ben", "--performer", "ava", "--preset",
       "quick", "--minutes", "0", "--steps", "2000", "--resolution-px", "128", "--batch", "2"},
      {.interrupt_when = [&] {
        return fs::exists(log) && read_file(log).find("\"step\":20,") != std::string::npos;
      }});
  EXPECT_EQ(o.status, 130) << o.err;
  const auto jobs = ok({"project", "jobs", "film"});
  EXPECT_EQ(jobs.back()["state"], "cancelled");
  EXPECT_GE(jobs.back()["result"]["step"], 20);
  auto restart = more;
  restart.push_back("--restart");
  restart[13] = "2";
  EXPECT_EQ(ok(restart)["step"], 2);
  EXPECT_EQ(ok({"project", "trash", "film"})[0]["kind"], "model");
}

}  // namespace
}  // namespace likeness::tests
