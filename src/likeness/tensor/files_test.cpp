// SPDX-License-Identifier: Apache-2.0
// Weight files, model cards and number formats.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/tensor/byte_reader.h"
#include "likeness/tensor/faceapi_weights.h"
#include "likeness/tensor/flexbuffer.h"
#include "likeness/tensor/model_card.h"
#include "likeness/tensor/safetensors.h"

namespace likeness::tensor {
namespace {

namespace fs = std::filesystem;

struct TempFolder {
  fs::path path;
  TempFolder() {
    char name[] = "/tmp/likeness-tensor-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempFolder() { fs::remove_all(path); }
};

std::span<const uint8_t> bytes_of(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_FALSE(e.hint().empty()) << e.what();
    return e.code();
  }
  ADD_FAILURE() << "no Error";
  return ErrorCode::kInternal;
}

TEST(Numbers, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = float_from_half(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    ASSERT_EQ(half_from_float(f), h);
    if ((h & 0x7fff) < 0x7bff) {  // halfway to the next rounds to even
      const float next = float_from_half(static_cast<uint16_t>(h + 1));
      ASSERT_EQ(half_from_float((f + next) / 2), h + (h & 1));
    }
  }
  EXPECT_EQ(half_from_float(1e6f), 0x7c00);
  EXPECT_EQ(float_from_half(0x3c00), 1.0f);
}

TEST(Numbers, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(bfloat16_from_float(1.0f), 0x3f80);
  EXPECT_EQ(float_from_bfloat16(bfloat16_from_float(-2.5f)), -2.5f);
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    const float v = rng.uniform(-100, 100);
    EXPECT_LE(std::fabs(float_from_bfloat16(bfloat16_from_float(v)) - v), std::fabs(v) / 256);
  }
}

TEST(SafeTensors, RoundTripOfAllTypes) {
  TempFolder folder;
  const float f32[] = {1.5f, -2, 3, 4, 5, 6};
  const uint16_t f16[] = {half_from_float(0.25f), half_from_float(-8)};
  const uint16_t bf16[] = {bfloat16_from_float(7)};
  const int64_t i64[] = {-5, 1ll << 40};
  const int32_t i32[] = {42};
  const uint8_t u8[] = {0, 128, 255};
  const auto view = [](const char* name, DType type, std::vector<int64_t> shape, const void* p,
                       size_t n) {
    return TensorView{name, type, std::move(shape), {static_cast<const uint8_t*>(p), n}};
  };
  const auto path = folder.path / "a/b.safetensors";
  write_safetensors(
      path,
      {view("f32", DType::kF32, {2, 3}, f32, sizeof f32),
       view("f16", DType::kF16, {2}, f16, sizeof f16),
       view("bf16", DType::kBF16, {}, bf16, sizeof bf16),
       view("i64", DType::kI64, {2, 1}, i64, sizeof i64),
       view("i32", DType::kI32, {1}, i32, sizeof i32), view("u8", DType::kU8, {3}, u8, sizeof u8),
       view("empty", DType::kF32, {0, 4}, nullptr, 0)},
      {{"step", "12"}, {"note", "quote \" and \n and ü"}});
  const SafeTensors file(path);
  EXPECT_EQ(file.tensors().size(), 7u);
  EXPECT_EQ(file.metadata().at("step"), "12");
  EXPECT_EQ(file.metadata().at("note"), "quote \" and \n and ü");
  EXPECT_EQ(file.at("f32").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.at("f32").to_float(), (std::vector<float>{1.5f, -2, 3, 4, 5, 6}));
  EXPECT_EQ(file.at("f16").to_float(), (std::vector<float>{0.25f, -8}));
  EXPECT_EQ(file.at("bf16").to_float(), (std::vector<float>{7}));
  EXPECT_EQ(file.at("i64").to_float(), (std::vector<float>{-5, static_cast<float>(1ll << 40)}));
  EXPECT_EQ(file.at("u8").to_float(), (std::vector<float>{0, 128, 255}));
  EXPECT_EQ(file.at("empty").elements(), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.at("f32").data.data()) % 64, 0u);
  EXPECT_EQ(code_of([&] { file.at("nothing"); }), ErrorCode::kDamaged);
}

std::string small_safetensors() {
  TempFolder folder;
  const float values[] = {1, 2, 3, 4};
  const TensorView t{"w", DType::kF32, {4}, {reinterpret_cast<const uint8_t*>(values), 16}};
  TensorView u = t;
  u.name = "v";
  u.shape = {2, 2};
  write_safetensors(folder.path / "s", {t, u}, {{"k", "v"}});
  return read_file(folder.path / "s");
}

TEST(SafeTensors, EveryTruncationIsAnError) {
  const std::string raw = small_safetensors();
  for (size_t k = 0; k < raw.size(); ++k)
    EXPECT_THROW(SafeTensors(bytes_of(raw).first(k)), Error) << k;
  EXPECT_NO_THROW(SafeTensors(bytes_of(raw)));
}

TEST(SafeTensors, FlippedBytesNeverCrash) {
  const std::string raw = small_safetensors();
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    Rng rng(4, round, "flip");
    std::string bytes = raw;
    for (uint64_t i = 0; i <= rng.below(3); ++i)
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
    try {
      const SafeTensors file(bytes_of(bytes));
      for (const auto& t : file.tensors()) t.to_float();
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 5000);
}

std::string with_header(const std::string& header, size_t data) {
  std::string out(8, '\0');
  const uint64_t n = header.size();
  std::memcpy(out.data(), &n, 8);
  return out + header + std::string(data, 'x');
}

TEST(SafeTensors, HostileHeadersAreErrors) {
  const auto parse = [](const std::string& header, size_t data) {
    const std::string raw = with_header(header, data);
    SafeTensors(bytes_of(raw));
  };
  EXPECT_NO_THROW(parse(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
  const char* bad[] = {
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,5]}})",
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})",
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551615]}})",
      R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})",
      R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
      R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}})",
      R"({"a":{"dtype":"U8","data_offsets":[0,4]}})",
      R"({"a":7})",
      R"({"__metadata__":{"x":1}})",
      R"({"a":)",
      R"([1])"};
  for (const char* header : bad) EXPECT_THROW(parse(header, 8), Error) << header;
  EXPECT_THROW(parse(std::string(100000, '['), 0), Error);
  EXPECT_THROW(parse("{\"a\":" + std::string(100000, '['), 0), Error);
  std::string long_header = with_header("{}", 0);
  std::memset(long_header.data(), 0xff, 8);
  EXPECT_THROW(SafeTensors(bytes_of(long_header)), Error);
}

TEST(SafeTensors, AFailedWriteLeavesTheOldFile) {
  TempFolder folder;
  const auto path = folder.path / "m.safetensors";
  const uint8_t one = 1;
  const TensorView good{"a", DType::kU8, {1}, {&one, 1}};
  TensorView wrong = good;
  wrong.shape = {2};
  write_safetensors(path, {good});
  const std::string before = read_file(path);
  EXPECT_THROW(write_safetensors(path, {good, wrong}), Error);
  EXPECT_THROW(write_safetensors(path, {good, good}), Error);
  EXPECT_EQ(read_file(path), before);
}

constexpr const char* kManifest = R"([{"weights":[
  {"name":"q","shape":[2,2],"dtype":"float32","quantization":{"dtype":"uint8","scale":0.5,"min":-1}},
  {"name":"f","shape":[1],"dtype":"float32"}],"paths":["x.bin"]}])";

TEST(FaceApiWeights, BytesAreScaledAndFloatsKept) {
  const float f = 2.25f;
  std::string data("\x00\x02\x04\xff", 4);
  data.append(reinterpret_cast<const char*>(&f), 4);
  const WeightMap w = parse_faceapi_weights(kManifest, bytes_of(data));
  EXPECT_EQ(w.at("q").values, (std::vector<float>{-1, 0, 1, 126.5f}));
  EXPECT_EQ(w.at("q").shape, (std::vector<int>{2, 2}));
  EXPECT_EQ(w.at("f").values, (std::vector<float>{2.25f}));
  for (size_t k = 0; k < data.size(); ++k)
    EXPECT_THROW(parse_faceapi_weights(kManifest, bytes_of(data).first(k)), Error);
  EXPECT_THROW(parse_faceapi_weights(kManifest, bytes_of(data + "x")), Error);
  const std::string manifest = kManifest;
  for (size_t k = 0; k < manifest.size(); ++k)
    EXPECT_THROW(parse_faceapi_weights(manifest.substr(0, k), bytes_of(data)), Error);
}

TEST(FaceApiWeights, HostileManifestsAreErrors) {
  const std::string data(8, '\1');
  for (
      const char* m :
      {R"({})", R"([1])", R"([{"weights":[{"name":"a"}]}])",
       R"([{"weights":[{"name":"a","shape":[-1],"dtype":"float32"}]}])",
       R"([{"weights":[{"name":"a","shape":[1e9],"dtype":"float32"}]}])",
       R"([{"weights":[{"name":"a","shape":[2147483647,2147483647,4],"dtype":"float32"}]}])",
       R"([{"weights":[{"name":"a","shape":[18446744073709551615],"dtype":"float32"}]}])",
       R"([{"weights":[{"name":"a","shape":[2],"dtype":"int32"}]}])",
       R"([{"weights":[{"name":"a","shape":[8],"quantization":{"dtype":"uint8","scale":"x","min":0}}]}])"})
    EXPECT_THROW(parse_faceapi_weights(m, bytes_of(data)), Error) << m;
}

TEST(FlexBuffer, ReadsAMapAndRefusesDamage) {
  // {"a": 7, "b": 1.5, "v": [1, 2, 300]} as the flatbuffers library writes it.
  const std::vector<uint8_t> raw = {97,  0,  98, 0, 118, 0,  3,  0,  1,  0,  2,  0, 44, 1,
                                    5,   5,  5,  3, 18,  17, 16, 0,  0,  0,  6,  0, 0,  0,
                                    1,   0,  0,  0, 3,   0,  0,  0,  7,  0,  0,  0, 0,  0,
                                    192, 63, 36, 0, 0,   0,  6,  14, 41, 15, 38, 1};
  const auto map = parse_flexbuffer_map(raw);
  EXPECT_EQ(map.at("a"), (std::vector<double>{7}));
  EXPECT_EQ(map.at("b"), (std::vector<double>{1.5}));
  EXPECT_EQ(map.at("v"), (std::vector<double>{1, 2, 300}));
  for (size_t k = 0; k < raw.size(); ++k)
    EXPECT_THROW(parse_flexbuffer_map(std::span(raw).first(k)), Error) << k;
  for (int round = 0; round < 20000; ++round) {
    Rng rng(6, round, "flip");
    auto bytes = raw;
    for (uint64_t i = 0; i <= rng.below(3); ++i)
      bytes[rng.below(bytes.size())] = static_cast<uint8_t>(rng.next());
    try {
      parse_flexbuffer_map(bytes);
    } catch (const Error&) {
    }
  }
}

TEST(ModelCard, AllCardsOfTheRepositoryAreComplete) {
  int cards = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(LIKENESS_SOURCE_DIR) / "models")) {
    if (entry.path().extension() != ".toml") continue;
    const ModelCard card = read_model_card(entry.path());
    EXPECT_EQ(card.name, entry.path().stem().string());
    for (const std::string* field : {&card.title, &card.task, &card.licence, &card.origin,
                                     &card.training_data, &card.input, &card.output, &card.limits})
      EXPECT_FALSE(field->empty()) << entry.path();
    for (const auto& f : card.files) EXPECT_FALSE(f.source.empty());
    ++cards;
  }
  EXPECT_GE(cards, 7);
}

TEST(ModelCard, RoundTripAndVerification) {
  TempFolder folder;
  ModelCard card;
  card.name = "m", card.licence = "CC0 \"1.0\"", card.title = "line\nbreak";
  card.files = {
      {"w.bin", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ""}};  // "abc"
  write_model_card(folder.path / "m.toml", card);
  const ModelCard read = read_model_card(folder.path / "m.toml");
  EXPECT_EQ(read.licence, card.licence);
  EXPECT_EQ(read.title, card.title);
  EXPECT_EQ(code_of([&] { verify_model(read, folder.path); }), ErrorCode::kMissing);
  write_file_atomic(folder.path / "w.bin", "abc");
  EXPECT_NO_THROW(verify_model(read, folder.path));
  // Not read again while inode, size and time are the same; once they are not, it is.
  const auto when = std::filesystem::last_write_time(folder.path / "w.bin");
  { std::fstream(folder.path / "w.bin", std::ios::in | std::ios::out) << "abd"; }
  std::filesystem::last_write_time(folder.path / "w.bin", when);
  EXPECT_NO_THROW(verify_model(read, folder.path));
  write_file_atomic(folder.path / "w.bin", "abd");
  EXPECT_EQ(code_of([&] { verify_model(read, folder.path); }), ErrorCode::kDamaged);
  write_file_atomic(folder.path / "w.bin", "abc");
  EXPECT_NO_THROW(verify_model(read, folder.path));
  EXPECT_EQ(code_of([&] { parse_model_card("name = 'x'", "t"); }), ErrorCode::kDamaged);
  EXPECT_EQ(code_of([&] { parse_model_card("name = ", "t"); }), ErrorCode::kBadInput);
  EXPECT_EQ(code_of([&] {
              parse_model_card("name='x'\nlicence='y'\n[[files]]\nfile='../x'\nsha256='" +
                                   std::string(64, '0') + "'",
                               "t");
            }),
            ErrorCode::kDamaged);
}

}  // namespace
}  // namespace likeness::tensor
