// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/report.h"

#include <cmath>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/evaluate/chart.h"
#include "likeness/evaluate/contact_sheet.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {
namespace {

namespace fs = std::filesystem;

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

nlohmann::json example() {
  nlohmann::json e = {
      {"frames", 40},           {"frames_swapped", 38},          {"frames_passed", 2},
      {"psnr_truth", 23.456},   {"psnr_untouched", 18.17},       {"ssim_truth", 0.75},
      {"ssim_outside", 0.9998}, {"landmark_error_pct", nullptr}, {"closer_to_identity_pct", 100.0}};
  for (int i = 0; i < 40; ++i) {
    e["per_frame"]["psnr_truth"].push_back(23 + std::sin(i * 0.4));
    if (i == 20)
      e["per_frame"]["distance_to_identity"].push_back(nullptr);
    else
      e["per_frame"]["distance_to_identity"].push_back(0.4 + 0.003 * i);
  }
  return e;
}

TEST(Chart, DrawsEveryFiniteRunAndNothingElse) {
  const double nan = std::nan("");
  Chart chart{"a < b", "frame", "dB", {{"one", {0, 1, 2, 3, 4, 5}, {1, 2, nan, 4, nan, 5}}}};
  const std::string svg = svg_chart(chart);
  EXPECT_EQ(count(svg, "M"), 3u);
  EXPECT_EQ(count(svg, "<circle"), 2u) << "lone points are dots";
  EXPECT_EQ(count(svg, "nan"), 0u);
  EXPECT_EQ(count(svg, "a &lt; b"), 2u);
  chart.series[0].y.assign(6, nan);
  EXPECT_EQ(svg_chart(chart), "");
  EXPECT_EQ(svg_chart({}), "");
}

TEST(Chart, SurvivesAnyNumbers) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& y : {std::vector<double>{5},
                                       {5, 5, 5},
                                       {-1e300, 1e300},
                                       {0, 0},
                                       {1e-12, 2e-12},
                                       {inf, 1, -inf, 2}})
    for (bool log_y : {false, true}) {
      Series s{"s", {}, y};
      for (size_t i = 0; i < y.size(); ++i) s.x.push_back(static_cast<double>(i));
      Chart chart{"t", "x", "y", {s}};
      chart.log_y = log_y;
      const std::string svg = svg_chart(chart);
      EXPECT_EQ(count(svg, "nan"), 0u);
      EXPECT_EQ(count(svg, "inf"), 0u);
      EXPECT_LT(svg.size(), 20000u);
    }
}

TEST(Chart, KeepsPeaksOfLongSeries) {
  Series s{"s", {}, {}};
  for (int i = 0; i < 100000; ++i)
    s.x.push_back(i), s.y.push_back(i == 70123 ? 10.0 : 1.0 + 0.1 * (i % 7));
  Chart with{"t", "x", "y", {s}};
  const std::string svg = svg_chart(with);
  EXPECT_LT(svg.size(), 40000u);
  s.y[70123] = 1;
  EXPECT_NE(svg, svg_chart({"t", "x", "y", {s}}));
}

TEST(Report, IsOneFileWithMarksAndPlots) {
  ReportInputs in;
  in.title = "ben <on> ava";
  in.evaluation = example();
  in.goals = default_goals(3);
  in.pictures.push_back({"sheet", Image8(30, 20, 3, 90)});
  in.facts = {{"command", "likeness demo --minutes 3 && echo \"ok\""}};
  const std::string page = html_report(in);
  EXPECT_EQ(count(page, "✓"), 2u);  // closer, psnr
  EXPECT_EQ(count(page, "✗"), 2u);  // ssim too low, landmark error not measured
  EXPECT_NE(page.find("2 of 4 goals reached"), std::string::npos);
  EXPECT_NE(page.find("ben &lt;on&gt; ava"), std::string::npos);
  EXPECT_EQ(page.find("<on>"), std::string::npos);
  EXPECT_NE(page.find("data:image/jpeg;base64,/9j/"), std::string::npos);
  EXPECT_EQ(count(page, "<svg"), 2u);
  for (const char* outside : {"http:", "https:", "src='/", "<script", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

TEST(Report, ReadsTheTrainingLogAndSkipsTornLines) {
  const fs::path log =
      fs::temp_directory_path() / ("likeness-report-" + std::to_string(::getpid()) + ".jsonl");
  {
    std::ofstream out(log);
    for (int i = 0; i < 50; ++i) {
      out << R"({"step":)" << 10 * i << R"(,"loss":)" << 1.0 / (1 + i)
          << R"(,"identity":{"dssim":0.1,"pixel":0.2},"wait_pct":0.5})"
          << "\n";
      out << R"({"event":"held_out","step":)" << 10 * i << R"(,"ssim_identity":)" << 0.01 * i
          << R"(,"l1_identity":0.1})"
          << "\n";
    }
    out << "{\"step\":500,\"lo";
  }
  ReportInputs in;
  in.title = "t";
  in.evaluation = nlohmann::json::object();
  in.train_log = log;
  const std::string page = html_report(in);
  EXPECT_EQ(count(page, "<svg"), 2u);
  EXPECT_NE(page.find("ssim_identity"), std::string::npos);
  EXPECT_EQ(page.find("dssim"), std::string::npos);
  fs::remove(log);
  EXPECT_THROW(html_report(in), Error);
}

TEST(ContactSheet, ChoosesFramesWithinTheClip) {
  const auto even = choose_frames(100, 5);
  EXPECT_EQ(even, (std::vector<int64_t>{10, 30, 50, 70, 90}));
  const auto with = choose_frames(100, 5, {50, 99, 1000, -1});
  EXPECT_EQ(with.size(), 5u);
  EXPECT_NE(std::find(with.begin(), with.end(), 99), with.end());
  EXPECT_EQ(choose_frames(3, 8), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_TRUE(choose_frames(0, 4).empty());
}

TEST(ContactSheet, ShowsTheFramesItNames) {
  const fs::path folder = fs::path(LIKENESS_SHARED_DIR) / "performers";
  if (!fs::exists(folder / "ava-to-ben-take.mp4")) GTEST_SKIP() << "shared/performers is not here";
  const Inputs inputs{folder / "ava-to-ben-truth-toned.mp4", folder / "ava-to-ben-take.mp4",
                      folder / "ava-to-ben-truth-toned.mp4", ""};
  const Image8 sheet = contact_sheet(inputs, {150, 7, 9999}, 384);
  EXPECT_EQ(sheet.width, 6 + 4 * 390);
  EXPECT_EQ(sheet.height, 30 + 2 * 390);
  media::VideoReader reader(inputs.target);
  reader.seek(150);
  const Image8 frame = reader.next()->rgb8();
  for (int y = 100; y < 300; y += 7)
    for (int x = 100; x < 300; x += 7)
      ASSERT_EQ(sheet.at(6 + x, 30 + 390 + y, 1), frame.at(x, y, 1));
  // The result is the truth here: the difference is mid-grey.
  EXPECT_EQ(sheet.at(6 + 3 * 390 + 192, 30 + 192, 0), 128);
  EXPECT_THROW(contact_sheet(inputs, {9999}), Error);
}

TEST(SideBySide, HoldsAllFramesAndTheSound) {
  const fs::path folder = fs::path(LIKENESS_SHARED_DIR) / "performers";
  if (!fs::exists(folder / "ava-to-ben-take.mp4")) GTEST_SKIP() << "shared/performers is not here";
  const fs::path out =
      fs::temp_directory_path() / ("likeness-side-" + std::to_string(::getpid()) + ".mp4");
  const Inputs inputs{folder / "ava-to-ben-truth-toned.mp4", folder / "ava-to-ben-take.mp4", "",
                      ""};
  Progress progress;
  std::optional<media::VideoWriter> writer;
  const auto open = [&](const media::VideoInfo& like, const media::WriterOptions& options,
                        const fs::path& sound) {
    writer.emplace(out, like, options);
    if (!sound.empty()) writer->copy_audio_from(sound);
    return VideoSink{[&](const media::Frame& f) { writer->write(f); }, [&] { writer->finish(); }};
  };
  side_by_side(inputs, open, progress, Cancel(), 96);
  media::VideoReader reader(out);
  EXPECT_EQ(reader.info().width, 192);
  EXPECT_EQ(reader.info().height, 96);
  EXPECT_TRUE(reader.info().has_audio);
  EXPECT_EQ(reader.count_frames(), 200);
  EXPECT_EQ(reader.info().pixel_format, "yuv420p");
  fs::remove(out);
}

}  // namespace
}  // namespace likeness::evaluate
