// SPDX-License-Identifier: Apache-2.0
#include "likeness/faceset/faceset.h"

#include <cmath>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/faceset/faceset_options.h"
#include "likeness/media/video.h"

namespace likeness::faceset {
namespace {

constexpr int kSize = 64;

class FacesetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("faceset_test_" + std::to_string(getpid()) + "_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    path = folder / "ben.faces";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder, path;
};

Item random_item(uint64_t seed, int i) {
  Rng rng(seed, i, "item");
  Item item;
  item.id = item_id("source", i, 0);
  item.source = "ben \"train\"/é.mp4";
  item.source_hash = "source";
  item.frame = i;
  item.time_s = i / 25.0;
  item.track = static_cast<int>(rng.below(3));
  for (float& v : item.crop_from_image.m) v = rng.normal();
  for (Point3& p : item.points) p = {rng.normal() * 50, rng.normal() * 50, rng.normal() * 50};
  for (float& v : item.pose.rotation) v = rng.normal();
  item.pose.yaw_rad = rng.uniform(-1.f, 1.f);
  item.pose.pitch_rad = rng.uniform(-0.5f, 0.5f);
  item.pose.scale_px_per_cm = rng.uniform(1.f, 20.f);
  item.quality = {rng.uniform(), rng.uniform(50.f, 300.f), rng.uniform(), rng.uniform()};
  item.has_embedding = i % 3 != 2;
  if (item.has_embedding)
    for (float& v : item.embedding) v = rng.normal() * 0.02f;
  item.manual = i % 5 == 0;
  return item;
}

/// Smooth picture whose colours depend on the seed.
Image8 picture(uint64_t seed, int i) {
  Rng rng(seed, i, "picture");
  const float a = rng.uniform(0.f, 6.f), b = rng.uniform(0.02f, 0.1f), c = rng.uniform(0.02f, 0.1f);
  Image8 out(kSize, kSize, 3);
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x)
      for (int k = 0; k < 3; ++k)
        out.at(x, y, k) = static_cast<uint8_t>(127 + 100 * std::sin(a + k + b * x + c * y));
  return out;
}

void write_set(const std::filesystem::path& path, uint64_t seed, int n) {
  FacesetWriter writer(path, face::CropType::kFull, kSize);
  for (int i = 0; i < n; ++i) writer.add(random_item(seed, i), picture(seed, i));
  writer.finish();
}

void expect_damaged(const std::filesystem::path& path) {
  try {
    const Faceset set = Faceset::open(path);
    for (size_t i = 0; i < set.items().size(); ++i) set.image(i);
    FAIL() << "a damaged file was accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::kDamaged || error.code() == ErrorCode::kBadInput)
        << error.what();
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(FacesetTest, EveryFieldComesBackExactly) {
  write_set(path, 1, 17);
  const Faceset set = Faceset::open(path);
  ASSERT_EQ(set.items().size(), 17u);
  EXPECT_EQ(set.crop_size_px(), kSize);
  EXPECT_EQ(set.crop_type(), face::CropType::kFull);
  for (int i = 0; i < 17; ++i) {
    const Item &got = set.items()[i], want = random_item(1, i);
    EXPECT_EQ(got.id, want.id);
    EXPECT_EQ(got.source, want.source);
    EXPECT_EQ(got.frame, want.frame);
    EXPECT_EQ(got.time_s, want.time_s);
    EXPECT_EQ(got.track, want.track);
    EXPECT_EQ(got.manual, want.manual);
    EXPECT_EQ(got.crop_from_image.m, want.crop_from_image.m);
    EXPECT_EQ(got.pose.rotation, want.pose.rotation);
    EXPECT_EQ(got.pose.yaw_rad, want.pose.yaw_rad);
    EXPECT_EQ(got.quality.occlusion, want.quality.occlusion);
    EXPECT_EQ(got.has_embedding, want.has_embedding);
    EXPECT_EQ(got.embedding, want.embedding);
    for (int k = 0; k < face::kPoints; ++k) {
      EXPECT_EQ(got.points[k].x, want.points[k].x);
      EXPECT_EQ(got.points[k].z, want.points[k].z);
    }
    const Image8 a = set.image(i), b = picture(1, i);
    double error = 0;
    for (size_t k = 0; k < a.data.size(); ++k) error += std::abs(a.data[k] - b.data[k]);
    EXPECT_LT(error / static_cast<double>(a.data.size()), 2.0);
  }
}

TEST_F(FacesetTest, AppendingKeepsTheStoredBytes) {
  write_set(path, 1, 5);
  const Faceset first = Faceset::open(path);
  FacesetWriter writer(path, first.crop_type(), first.crop_size_px());
  for (size_t i = 0; i < 5; ++i) writer.add_encoded(first.items()[i], first.jpeg(i));
  writer.add(random_item(2, 9), picture(2, 9));
  writer.finish();
  const Faceset second = Faceset::open(path);
  ASSERT_EQ(second.items().size(), 6u);
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(std::ranges::equal(first.jpeg(i), second.jpeg(i)));
}

TEST_F(FacesetTest, AnEmptySetIsValid) {
  write_set(path, 1, 0);
  const Faceset set = Faceset::open(path);
  EXPECT_TRUE(set.items().empty());
  EXPECT_TRUE(filter(set, {}).empty());
  EXPECT_TRUE(sort_by(set, "hue", true).empty());
  EXPECT_NO_THROW(contact_sheet(set, {}, 8, 64));
}

TEST_F(FacesetTest, TruncationAtEveryPlaceIsTold) {
  write_set(path, 3, 3);
  const std::string bytes = read_file(path);
  for (size_t cut = 0; cut < bytes.size(); cut += 1 + cut / 7) {
    write_file_atomic(path, std::string_view(bytes).substr(0, cut));
    expect_damaged(path);
  }
  write_file_atomic(path, std::string_view(bytes).substr(0, bytes.size() - 1));
  expect_damaged(path);
}

TEST_F(FacesetTest, AChangedByteIsTold) {
  write_set(path, 3, 3);
  const std::string bytes = read_file(path);
  Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    std::string changed = bytes;
    const size_t at = 16 + rng.below(bytes.size() - 16);  // the version word is not covered
    changed[at] = static_cast<char>(changed[at] ^ (1 << rng.below(8)));
    write_file_atomic(path, changed);
    expect_damaged(path);
  }
}

TEST(ParseIndex, HostileRowsAreRefusedWithoutHarm) {
  const std::string good = R"({"version":1,"crop_size_px":64,"crop_type":"full","items":[)";
  const auto parse = [](const std::string& text) {
    return parse_index({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, 1000);
  };
  EXPECT_EQ(parse(good + "]}").items.size(), 0u);
  for (const std::string& bad :
       {std::string(), std::string("null"), std::string("[]"), good, good + "1]}", good + "{}]}",
        std::string(100000, '['), std::string(R"({"version":1e300})"),
        std::string(R"({"version":1,"crop_size_px":99999999,"crop_type":"full","items":[]})"),
        std::string(R"({"version":1,"crop_size_px":64,"crop_type":"nose","items":[]})")}) {
    try {
      parse(bad);
      FAIL() << bad.substr(0, 80);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDamaged) << error.what();
    }
  }
  Index index;
  index.crop_size_px = 64;
  index.items.push_back(random_item(1, 0));
  index.digests.push_back("0");
  const auto refused = [&](auto change) {
    auto json = nlohmann::json::parse(index_to_json(index));
    change(json["items"][0]);
    EXPECT_THROW(parse(json.dump()), Error) << json.dump().substr(0, 200);
  };
  index.items[0].offset = 16, index.items[0].size = 984;
  EXPECT_EQ(parse(index_to_json(index)).items.size(), 1u);
  refused([](auto& row) { row["size"] = 985; });
  refused([](auto& row) { row["offset"] = 15; });
  refused([](auto& row) { row["offset"] = ~0ull; });
  refused([](auto& row) { row["size"] = ~0ull; });
  refused([](auto& row) { row["size"] = -1; });
  refused([](auto& row) { row["size"] = 1e30; });
  refused([](auto& row) { row["id"] = "../../etc/passwd"; });
  refused([](auto& row) { row["points"] = "AAAA"; });
  refused([](auto& row) { row["points"].template get_ref<std::string&>()[5] = '!'; });
  refused([](auto& row) { row["crop_from_image"] = {1, 2, 3}; });
  refused([](auto& row) { row["quality"][1] = nullptr; });
  refused([](auto& row) { row.erase("pose"); });
}

TEST_F(FacesetTest, NumbersThatJsonCannotHoldAreRefusedWhenWriting) {
  FacesetWriter writer(path, face::CropType::kFull, kSize);
  Item item = random_item(1, 1);
  item.points[77].y = std::nanf("");
  EXPECT_THROW(writer.add(item, picture(1, 1)), Error);
}

TEST_F(FacesetTest, WithoutFinishNothingAppears) {
  {
    FacesetWriter writer(path, face::CropType::kFull, kSize);
    writer.add(random_item(1, 1), picture(1, 1));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(FacesetTest, AKilledWriterLeavesTheOldOrTheNewFile) {
  write_set(path, 100, 4);
  Rng rng(7);
  for (int round = 0; round < 25; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (uint64_t seed = 101;; ++seed) write_set(path, seed, 4 + static_cast<int>(seed % 3));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + rng.below(15000)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const Faceset set = Faceset::open(path);
    EXPECT_GE(set.items().size(), 4u);
    for (size_t i = 0; i < set.items().size(); ++i) EXPECT_NO_THROW(set.image(i));
  }
}

TEST_F(FacesetTest, RewriteChangesRowsAndCompacts) {
  write_set(path, 4, 6);
  const Faceset before = Faceset::open(path);
  auto rows = before.items();
  rows[2].excluded = true;
  rows[3].manual = true;
  rewrite(before, rows, path);
  const Faceset marked = Faceset::open(path);
  ASSERT_EQ(marked.items().size(), 6u);
  EXPECT_TRUE(marked.items()[2].excluded);
  EXPECT_TRUE(marked.items()[3].manual);
  EXPECT_EQ(filter(marked, {}).size(), 5u);
  for (const auto& key : sort_keys()) EXPECT_EQ(sort_by(marked, key, true).size(), 5u) << key;
  rewrite(marked, marked.items(), path, true);
  EXPECT_EQ(Faceset::open(path).items().size(), 5u);
}

TEST_F(FacesetTest, SortsAreMonotonicPermutations) {
  write_set(path, 5, 40);
  const Faceset set = Faceset::open(path);
  for (const auto& key : sort_keys()) {
    const auto up = sort_by(set, key, false), down = sort_by(set, key, true);
    EXPECT_EQ(std::set<size_t>(up.begin(), up.end()).size(), 40u) << key;
    EXPECT_EQ(std::set<size_t>(down.begin(), down.end()).size(), 40u) << key;
  }
  const auto sharp = sort_by(set, "sharpness", true);
  for (size_t i = 1; i < sharp.size(); ++i)
    EXPECT_GE(set.items()[sharp[i - 1]].quality.sharpness, set.items()[sharp[i]].quality.sharpness);
  const auto mean = mean_embedding(set);
  const auto alike = sort_by(set, "similarity", true);
  double last = 0;
  for (size_t i : alike) {
    if (!set.items()[i].has_embedding) continue;
    double d = 0;
    for (int k = 0; k < face::kEmbeddingSize; ++k)
      d += std::pow(set.items()[i].embedding[k] - mean[k], 2);
    EXPECT_GE(d, last - 1e-6);
    last = d;
  }
  EXPECT_THROW(sort_by(set, "beauty", true), Error);
}

TEST_F(FacesetTest, FiltersKeepExactlyWhatTheySay) {
  write_set(path, 6, 60);
  const Faceset set = Faceset::open(path);
  Filter rules;
  rules.min_sharpness = 0.3;
  rules.max_yaw_deg = 20;
  rules.max_occlusion = 0.7;
  const auto kept = filter(set, rules);
  const std::set<size_t> inside(kept.begin(), kept.end());
  for (size_t i = 0; i < set.items().size(); ++i) {
    const Item& item = set.items()[i];
    const bool want = item.quality.sharpness >= 0.3f && item.pose.yaw_rad * 57.29578f <= 20 &&
                      item.quality.occlusion <= 0.7f;
    EXPECT_EQ(inside.count(i), want ? 1u : 0u);
  }
}

TEST_F(FacesetTest, StrangersAreFarFromTheMean) {
  FacesetWriter writer(path, face::CropType::kFull, kSize);
  for (int i = 0; i < 20; ++i) {
    Item item = random_item(8, i);
    item.has_embedding = true;
    for (int k = 0; k < face::kEmbeddingSize; ++k)
      item.embedding[k] = (i < 14 ? 0.1f : -0.1f) * (k % 2 ? 1 : -1) + 0.01f * item.embedding[k];
    writer.add(item, picture(8, i));
  }
  writer.finish();
  const Faceset set = Faceset::open(path);
  Filter rules;
  rules.max_distance = 0.3;
  EXPECT_EQ(filter(set, rules).size(), 14u);
}

TEST_F(FacesetTest, BestIsBalancedAndSharp) {
  FacesetWriter writer(path, face::CropType::kFull, kSize);
  for (int i = 0; i < 100; ++i) {
    Item item = random_item(9, i);
    item.pose.pitch_rad = 0;
    item.pose.yaw_rad = i < 90 ? 0.f : 0.2f * static_cast<float>(i - 89);  // 90 frontal, 10 turned
    writer.add(item, picture(9, i % 7));
  }
  writer.finish();
  const Faceset set = Faceset::open(path);
  const auto chosen = best(set, filter(set, {}), 20);
  ASSERT_EQ(chosen.size(), 20u);
  int turned = 0;
  float weakest = 1, left_out = 0;
  for (size_t i : chosen) turned += i >= 90;
  EXPECT_EQ(turned, 10);
  const std::set<size_t> inside(chosen.begin(), chosen.end());
  for (size_t i = 0; i < 90; ++i) {
    const float s = set.items()[i].quality.sharpness;
    if (inside.count(i))
      weakest = std::min(weakest, s);
    else
      left_out = std::max(left_out, s);
  }
  EXPECT_GE(weakest, left_out);
  EXPECT_EQ(best(set, filter(set, {}), 1000).size(), 100u);
}

TEST_F(FacesetTest, NearDuplicatesLeaveTheSharpest) {
  FacesetWriter writer(path, face::CropType::kFull, kSize);
  for (int i = 0; i < 30; ++i) writer.add(random_item(10, i), picture(10, i % 6));
  writer.finish();
  const Faceset set = Faceset::open(path);
  const auto kept = without_near_duplicates(set, filter(set, {}), 0.01);
  ASSERT_EQ(kept.size(), 6u);
  for (size_t i : kept)
    for (size_t j = i % 6; j < 30; j += 6)
      EXPECT_GE(set.items()[i].quality.sharpness, set.items()[j].quality.sharpness);
  EXPECT_EQ(without_near_duplicates(set, filter(set, {}), 0).size(), 30u);
}

TEST_F(FacesetTest, ContactSheetShowsTheCrops) {
  write_set(path, 11, 10);
  const Faceset set = Faceset::open(path);
  const Image8 sheet = contact_sheet(set, filter(set, {}), 4, 32);
  EXPECT_EQ(sheet.width, 4 * 34 + 2);
  EXPECT_EQ(sheet.height, 3 * 34 + 2);
  const Image8 crop = set.image(5);  // second row, second column
  double error = 0;
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      error += std::abs(sheet.at(36 + x, 36 + y) - crop.at(2 * x, 2 * y));
  EXPECT_LT(error / 1024, 12);
}

TEST_F(FacesetTest, ExportWritesCropsAndRows) {
  write_set(path, 12, 4);
  const Faceset set = Faceset::open(path);
  EXPECT_EQ(export_crops(set, {0, 2}, folder / "out", "png"), 2u);
  const auto json = nlohmann::json::parse(read_file(folder / "out" / "faceset.json"));
  ASSERT_EQ(json["items"].size(), 2u);
  EXPECT_EQ(json["items"][1]["frame"], 2);
  EXPECT_EQ(json["items"][1]["points"].size(), static_cast<size_t>(face::kPoints));
  const Image8 back =
      media::read_image(folder / "out" / json["items"][1]["file"].get<std::string>());
  EXPECT_EQ(back.data, set.image(2).data);
  EXPECT_EQ(export_crops(set, {1}, folder / "jpg", "jpg"), 1u);
  const auto bytes = read_file(folder / "jpg" / (set.items()[1].id + ".jpg"));
  EXPECT_EQ(bytes.size(), set.items()[1].size);
  EXPECT_THROW(export_crops(set, {1}, folder / "bmp", "bmp"), Error);
}

TEST(FacesetOptions, AreDeclaredOnceAndChecked) {
  Filter rules;
  options_from_json(rules, nlohmann::json{{"best", 500}, {"near_duplicate", 0.02}});
  EXPECT_EQ(rules.best, 500);
  EXPECT_THROW(options_from_json(rules, nlohmann::json{{"max_occlusion", 2}}), Error);
}

TEST_F(FacesetTest, OtherFilesAreNamedForWhatTheyAre) {
  EXPECT_THROW(Faceset::open(folder / "none.faces"), Error);
  write_file_atomic(path, std::string(4000, 'x'));
  try {
    Faceset::open(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
  }
}

}  // namespace
}  // namespace likeness::faceset
