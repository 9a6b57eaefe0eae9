// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/base/image.h"
#include "likeness/base/options.h"
#include "likeness/base/rng.h"
#include "likeness/base/run.h"
#include "likeness/base/text.h"
#include "likeness/base/threads.h"

namespace likeness {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  fs::path p =
      fs::temp_directory_path() / ("likeness-base-" + std::to_string(::getpid()) + "-" + name);
  fs::remove_all(p);
  return p;
}

struct TestOptions {
  int erode_px = 5;
  double opacity = 1;
  bool mirror = false;
  std::string mode = "rct";
  std::vector<std::string> names;
};
template <typename V>
void visit(TestOptions& o, V&& f) {
  f("erode_px", o.erode_px, OptionInfo{.help = "shrink", .unit = "px", .min = 0, .max = 400});
  f("opacity", o.opacity, OptionInfo{.help = "blend", .min = 0, .max = 1});
  f("mirror", o.mirror, OptionInfo{.help = "flip"});
  f("mode", o.mode, OptionInfo{.help = "colour", .choices = {"none", "rct"}});
  f("names", o.names, OptionInfo{.help = "subjects"});
}

TEST(Options, RoundTripAndSchema) {
  TestOptions o;
  o.erode_px = 17;
  o.names = {"ava", "ben"};
  TestOptions p;
  options_from_json(p, options_to_json(o));
  EXPECT_EQ(p.erode_px, 17);
  EXPECT_EQ(p.names, o.names);
  auto schema = options_schema(TestOptions{});
  EXPECT_EQ(schema["properties"]["erode_px"]["maximum"], 400);
  EXPECT_EQ(schema["properties"]["mode"]["enum"].size(), 2u);
}

TEST(Options, RefusesWhatIsOutOfRangeUnknownOrOfWrongType) {
  TestOptions o;
  EXPECT_THROW(options_from_json(o, {{"erode_px", 401}}), Error);
  EXPECT_THROW(options_from_json(o, {{"mode", "lab"}}), Error);
  EXPECT_THROW(options_from_json(o, {{"opacity", "half"}}), Error);
  try {
    options_from_json(o, {{"erode", 4}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("erode"), std::string::npos);
  }
}

TEST(Options, TomlErrorsNameTheLine) {
  EXPECT_EQ(parse_toml("a = 1\n[b]\nc = \"x\"", "t")["b"]["c"], "x");
  try {
    parse_toml("a = 1\nb = = 2\n", "preset.toml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("preset.toml line 2"), std::string::npos) << e.what();
  }
}

TEST(Options, TomlOfEndlessKeysIsAnErrorAndNoCrash) {
  std::string key = "a";
  for (int i = 0; i < 40000; ++i) key += ".a";
  std::string quoted = "a";
  for (int i = 0; i < 40000; ++i) quoted += ".\"=,\"";
  for (const std::string& text : {key + " = 1", "[" + key + "]\nb = 1", quoted + " = 1"}) {
    try {
      parse_toml("b = 1\n" + text, "preset.toml");
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kBadInput);
      EXPECT_NE(std::string(e.what()).find("preset.toml line 2"), std::string::npos) << e.what();
    }
  }
  std::string numbers = "n = [0.5";
  for (int i = 0; i < 999; ++i) numbers += ", 0.5";
  EXPECT_EQ(parse_toml(numbers + "]", "t")["n"].size(), 1000u);
}

TEST(AtomicFile, IsAbsentUntilCommitted) {
  fs::path path = scratch("atomic") / "a.bin";
  {
    AtomicFile f(path);
    f.write("abc", 3);
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::is_empty(path.parent_path()));
  write_file_atomic(path, "first");
  write_file_atomic(path, "second");
  EXPECT_EQ(read_file(path), "second");
  MappedFile mapped(path);
  EXPECT_EQ(mapped.bytes().size(), 6u);
  fs::remove_all(path.parent_path());
}

TEST(Hash, MatchesTheStandardVector) {
  EXPECT_EQ(sha256(std::string_view("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Affine, InverseAndCompose) {
  Affine2 a;
  a.m = {2, 0.5f, 3, -0.25f, 1.5f, -7};
  Affine2 id = compose(a, a.inverse());
  Point2 p = id({12.5f, -3.25f});
  EXPECT_NEAR(p.x, 12.5f, 1e-4);
  EXPECT_NEAR(p.y, -3.25f, 1e-4);
}

TEST(Rng, DependsOnlyOnItsKey) {
  EXPECT_EQ(Rng(1, 5, "warp").next(), Rng(1, 5, "warp").next());
  EXPECT_NE(Rng(1, 5, "warp").next(), Rng(1, 6, "warp").next());
  EXPECT_NE(Rng(1, 5, "warp").next(), Rng(1, 5, "flip").next());
  double sum = 0, square = 0;
  Rng r(7);
  for (int i = 0; i < 20000; ++i) {
    double v = r.normal();
    sum += v;
    square += v * v;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(square / 20000, 1, 0.05);
}

TEST(Threads, LoopVisitsEachOnceAndPassesErrorsOn) {
  std::atomic<int> sum{0};
  parallel_for(0, 1000, [&](int i) { sum += i; });
  EXPECT_EQ(sum, 499500);
  EXPECT_THROW(parallel_for(0, 100,
                            [](int i) {
                              if (i == 50) throw Error(ErrorCode::kIo, "x");
                            }),
               Error);
}

TEST(Threads, QueueDrainsAfterClose) {
  BoundedQueue<int> q(2);
  std::thread producer([&] {
    for (int i = 0; i < 10; ++i) q.push(i);
    q.close();
  });
  int sum = 0;
  while (auto v = q.pop()) sum += *v;
  producer.join();
  EXPECT_EQ(sum, 45);
}

TEST(Cancel, ThrowsOnceRequested) {
  Cancel c;
  EXPECT_NO_THROW(c.check());
  c.request();
  EXPECT_THROW(c.check(), Error);
}

TEST(Text, Base64GivesBytesBack) {
  // RFC 4648, section 10.
  EXPECT_EQ(base64(std::string_view("")), "");
  EXPECT_EQ(base64(std::string_view("f")), "Zg==");
  EXPECT_EQ(base64(std::string_view("fo")), "Zm8=");
  EXPECT_EQ(base64(std::string_view("foobar")), "Zm9vYmFy");
  Rng rng(3);
  for (size_t size = 0; size < 40; ++size) {
    std::vector<uint8_t> bytes(size);
    for (auto& b : bytes) b = static_cast<uint8_t>(rng.next());
    EXPECT_EQ(base64_decode(base64(bytes)), bytes);
  }
  for (const char* bad : {"Zg=", "Z===", "Zg==Zg==", "Zm9*", "=Zm9", "Zm=v"})
    EXPECT_FALSE(base64_decode(bad)) << bad;
}

TEST(Text, ClockTimes) {
  EXPECT_EQ(clock_text(0), "0:00");
  EXPECT_EQ(clock_text(41.6), "0:42");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

}  // namespace
}  // namespace likeness
