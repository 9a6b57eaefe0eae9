// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/onnx.h"

#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/tensor/onnx_graph.h"

// ONNX Runtime keeps a little of its own when a model is refused.
extern "C" const char* __lsan_default_suppressions() { return "leak:libonnxruntime"; }

namespace likeness::tensor {
namespace {
namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

// A writer of ONNX of its own, by the field numbers of onnx.proto3.
void number(Bytes& out, uint32_t field, uint64_t value) {
  const auto varint = [&](uint64_t v) {
    for (; v >= 0x80; v >>= 7) out.push_back(static_cast<uint8_t>(v | 0x80));
    out.push_back(static_cast<uint8_t>(v));
  };
  varint(field << 3);
  varint(value);
}
void bytes(Bytes& out, uint32_t field, const Bytes& value) {
  number(out, field, value.size());
  size_t tag = out.size();  // the tag's wire type is 2
  for (size_t n = value.size();; n >>= 7) {
    --tag;
    if (n < 0x80) break;
  }
  out[tag - 1] |= 2;
  out.insert(out.end(), value.begin(), value.end());
}
void text(Bytes& out, uint32_t field, const std::string& value) {
  bytes(out, field, {value.begin(), value.end()});
}
Bytes value_info(const std::string& name, const std::vector<int64_t>& dims, int type = 1) {
  Bytes shape, tensor, kind, out;
  for (const int64_t d : dims) {
    Bytes dim;
    if (d >= 0)
      number(dim, 1, static_cast<uint64_t>(d));
    else
      text(dim, 2, "any");
    bytes(shape, 1, dim);
  }
  number(tensor, 1, static_cast<uint64_t>(type));
  bytes(tensor, 2, shape);
  bytes(kind, 1, tensor);
  text(out, 1, name);
  bytes(out, 2, kind);
  return out;
}
Bytes constant(const std::string& name, const std::vector<float>& v, int64_t claimed = -1) {
  Bytes out, raw(v.size() * 4);
  std::memcpy(raw.data(), v.data(), raw.size());
  number(out, 1, static_cast<uint64_t>(claimed < 0 ? static_cast<int64_t>(v.size()) : claimed));
  number(out, 2, 1);
  text(out, 8, name);
  bytes(out, 9, raw);
  return out;
}
Bytes node(const std::string& op, const std::vector<std::string>& in, const std::string& out_name) {
  Bytes out;
  for (const auto& i : in) text(out, 1, i);
  text(out, 2, out_name);
  text(out, 3, op + "_" + out_name);
  text(out, 4, op);
  return out;
}
Bytes model(const std::vector<Bytes>& nodes, const std::vector<Bytes>& constants,
            const std::vector<Bytes>& inputs, const std::vector<Bytes>& outputs) {
  Bytes graph, opset, out;
  for (const auto& n : nodes) bytes(graph, 1, n);
  text(graph, 2, "test");
  for (const auto& c : constants) bytes(graph, 5, c);
  for (const auto& i : inputs) bytes(graph, 11, i);
  for (const auto& o : outputs) bytes(graph, 12, o);
  number(out, 1, 8);
  bytes(out, 7, graph);
  text(opset, 1, "");
  number(opset, 2, 13);
  bytes(out, 8, opset);
  return out;
}
/// y = ceil(x * 2 + 1); z = y + x. `claimed` lies about the length of a constant, `shape` about
/// y's.
Bytes sums(int64_t claimed = -1, int64_t shape = -1) {
  return model({node("Mul", {"x", "two"}, "double"), node("Add", {"double", "one"}, "sum"),
                node("Ceil", {"sum"}, "y"), node("Add", {"y", "x"}, "z")},
               {constant("two", {2}, claimed), constant("one", {1})}, {value_info("x", {-1})},
               {value_info("z", {shape})});
}

#define NEEDS_RUNTIME()        \
  if (!onnx_runtime_version()) \
  GTEST_SKIP() << "ONNX Runtime is not installed (scripts/install-onnxruntime)"

TEST(Onnx, ComputesWhatTheModelSays) {
  NEEDS_RUNTIME();
  const OnnxModel m(sums(), "sums");
  ASSERT_EQ(m.inputs().size(), 1u);
  EXPECT_EQ(m.inputs()[0].name, "x");
  EXPECT_FALSE(m.inputs()[0].is_integer);
  EXPECT_EQ(m.inputs()[0].shape, std::vector<int64_t>{-1});
  for (const size_t n : {1u, 3u, 1000u}) {
    OnnxTensor x{{static_cast<int64_t>(n)}, std::vector<float>(n, 0.3f)};
    const auto out = m.run({{"x", x}});
    ASSERT_EQ(out.size(), 1u);
    ASSERT_EQ(out[0].elements(), static_cast<int64_t>(n));
    for (const float v : out[0].floats()) EXPECT_FLOAT_EQ(v, 2.3f);
  }
}
TEST(Onnx, APartCutOutGivesTheSameNumbers) {
  NEEDS_RUNTIME();
  const Bytes whole = sums();
  const OnnxGraph graph(whole, "sums");
  EXPECT_EQ(graph.nodes().size(), 4u);
  EXPECT_EQ(graph.inputs(), std::vector<std::string>{"x"});
  EXPECT_EQ(graph.outputs_of("Ceil"), std::vector<std::string>{"y"});
  EXPECT_TRUE(graph.depends("z", "double"));
  EXPECT_FALSE(graph.depends("double", "y"));
  const Bytes first = graph.extract({}, {"y"}), second = graph.extract({{"y"}}, {"z"});
  EXPECT_EQ(OnnxGraph(second, "part").nodes().size(), 1u);
  const OnnxTensor x{{2}, std::vector<float>{0.3f, 4.6f}};
  const auto y = OnnxModel(first, "first").run({{"x", x}});
  EXPECT_EQ(y[0].floats(), (std::vector<float>{2, 11}));
  const auto z = OnnxModel(second, "second").run({{"x", x}, {"y", y[0]}});
  EXPECT_EQ(z[0].floats(), OnnxModel(whole, "whole").run({{"x", x}})[0].floats());
  EXPECT_THROW(graph.extract({{"nowhere"}}, {"z"}), Error);
  EXPECT_THROW(graph.extract({}, {"nowhere"}), Error);
}
TEST(Onnx, AModelThatLiesGivesAnError) {
  NEEDS_RUNTIME();
  EXPECT_THROW(OnnxModel(sums(1000), "length"), Error);  // a constant shorter than it says
  const OnnxTensor x{{3}, std::vector<float>(3)};
  // The output says 7 and is 3: an error or the true shape, never 7 numbers.
  try {
    const OnnxModel wrong(sums(-1, 7), "shape");
    EXPECT_EQ(wrong.run({{"x", x}})[0].elements(), 3);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDamaged);
  }
  const OnnxModel m(sums(), "sums");
  EXPECT_THROW(m.run({}), Error);
  EXPECT_THROW(m.run({{"x", {{3}, std::vector<int64_t>(3)}}}), Error);
  EXPECT_THROW(m.run({{"x", x}}, 2), Error);  // more numbers than allowed
  const Bytes unknown = model({node("NoSuchThing", {"x"}, "z")}, {}, {value_info("x", {-1})},
                              {value_info("z", {-1})});
  EXPECT_THROW(OnnxModel(unknown, "unknown"), Error);
}
TEST(Onnx, WeightsInOtherFilesAreRefused) {
  Bytes outside = constant("two", {2}), entry;
  text(entry, 1, "location");
  text(entry, 2, "/etc/passwd");
  bytes(outside, 13, entry);
  number(outside, 14, 1);
  const Bytes m = model({node("Mul", {"x", "two"}, "z")}, {outside}, {value_info("x", {-1})},
                        {value_info("z", {-1})});
  try {
    OnnxGraph(m, "outside");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
  }
}
TEST(Onnx, DamagedBytesNeverCrash) {
  const Bytes good = sums();
  Rng rng(1, 0, "damage");
  for (size_t n = 0; n < good.size(); ++n) {
    const std::span<const uint8_t> cut(good.data(), n);
    try {
      OnnxGraph(cut, "cut");
    } catch (const Error&) {
    }
  }
  for (int i = 0; i < 400; ++i) {
    Bytes bad = good;
    for (int k = 0; k < 3; ++k) bad[rng.below(bad.size())] = static_cast<uint8_t>(rng.below(256));
    try {
      if (onnx_runtime_version())
        OnnxModel(bad, "bad");
      else
        OnnxGraph(bad, "bad");
    } catch (const Error&) {
    }
  }
}
TEST(Onnx, NoModelIsLoadedWithoutALicence) {
  const fs::path folder = fs::temp_directory_path() / ("onnx-card-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const Bytes m = sums();
  const std::string body(m.begin(), m.end());
  write_file_atomic(folder / "sums.onnx", body);
  const auto code = [&] {
    try {
      read_licensed_model(folder / "sums.onnx");
      return ErrorCode::kInternal;
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.code();
    }
  };
  const auto card = [&](const std::string& licence, const std::string& file,
                        const std::string& hash) {
    write_file_atomic(folder / "sums.toml", "name = \"sums\"\nlicence = \"" + licence +
                                                "\"\n[[files]]\nfile = \"" + file +
                                                "\"\nsha256 = \"" + hash + "\"\n");
  };
  EXPECT_EQ(code(), ErrorCode::kRefused);  // no card
  card(" ", "sums.onnx", sha256(body));
  EXPECT_EQ(code(), ErrorCode::kRefused);  // no licence in it
  card("CC0-1.0", "other.onnx", sha256(body));
  EXPECT_EQ(code(), ErrorCode::kRefused);  // another file
  card("CC0-1.0", "sums.onnx", std::string(64, '0'));
  EXPECT_EQ(code(), ErrorCode::kDamaged);  // another content
  card("CC0-1.0", "sums.onnx", sha256(body));
  EXPECT_EQ(read_licensed_model(folder / "sums.onnx").bytes, body);
  fs::remove_all(folder);
  EXPECT_EQ(code(), ErrorCode::kMissing);
}

}  // namespace
}  // namespace likeness::tensor
