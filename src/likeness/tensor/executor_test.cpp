// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/executor.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/base/threads.h"
#include "likeness/tensor/tflite.h"

namespace likeness::tensor {
namespace {

/// A graph of one or a few nodes.
struct Maker {
  Graph graph;
  int data(std::vector<int> shape) {
    GraphTensor t;
    t.shape = std::move(shape);
    graph.tensors.push_back(std::move(t));
    return static_cast<int>(graph.tensors.size()) - 1;
  }
  int input(std::vector<int> shape) {
    graph.inputs.push_back(data(std::move(shape)));
    return graph.inputs.back();
  }
  int constant(std::vector<int> shape, std::vector<float> values) {
    const int t = data(std::move(shape));
    graph.tensors[t].values = std::move(values);
    graph.tensors[t].constant = true;
    return t;
  }
  int random(std::vector<int> shape, Rng& rng) {
    const int t = data(std::move(shape));
    graph.tensors[t].constant = true;
    graph.tensors[t].values.resize(graph.tensors[t].elements());
    for (float& v : graph.tensors[t].values) v = rng.uniform(-1, 1);
    return t;
  }
  Node& node(Op op, std::vector<int> inputs, std::vector<int> shape) {
    Node n;
    n.op = op;
    n.inputs = std::move(inputs);
    n.outputs = {data(std::move(shape))};
    graph.nodes.push_back(n);
    graph.outputs = n.outputs;
    return graph.nodes.back();
  }
  std::vector<float> run(std::vector<float> x) const { return Executor(graph).run(x)[0]; }
};

std::vector<float> noise(size_t n, Rng& rng) {
  std::vector<float> v(n);
  for (float& x : v) x = rng.uniform(-2, 2);
  return v;
}

/// Straight from the definition; also the reference for depthwise (groups) and SAME padding.
std::vector<float> reference_conv(const Node& n, const std::vector<float>& x, const int in[3],
                                  const GraphTensor& w, const std::vector<float>& bias,
                                  const int out[3]) {
  const bool depthwise = n.op == Op::kDepthwise;
  const int ky = w.shape[1], kx = w.shape[2];
  const auto pad = [](int o, int i, int k, int s, int d, bool same) {
    return same ? std::max(0, (o - 1) * s + (k - 1) * d + 1 - i) / 2 : 0;
  };
  const int py = pad(out[0], in[0], ky, n.stride_y, n.dilation_y, n.same_padding);
  const int px = pad(out[1], in[1], kx, n.stride_x, n.dilation_x, n.same_padding);
  std::vector<float> y(static_cast<size_t>(out[0]) * out[1] * out[2]);
  for (int oy = 0; oy < out[0]; ++oy)
    for (int ox = 0; ox < out[1]; ++ox)
      for (int oc = 0; oc < out[2]; ++oc) {
        double sum = bias[oc];
        for (int j = 0; j < ky; ++j)
          for (int i = 0; i < kx; ++i) {
            const int sy = oy * n.stride_y - py + j * n.dilation_y,
                      sx = ox * n.stride_x - px + i * n.dilation_x;
            if (sy < 0 || sx < 0 || sy >= in[0] || sx >= in[1]) continue;
            const float* p = x.data() + (static_cast<size_t>(sy) * in[1] + sx) * in[2];
            if (depthwise) {
              sum += static_cast<double>(p[oc]) *
                     w.values[(static_cast<size_t>(j) * kx + i) * in[2] + oc];
            } else {
              for (int c = 0; c < in[2]; ++c)
                sum += static_cast<double>(p[c]) *
                       w.values[((static_cast<size_t>(oc) * ky + j) * kx + i) * in[2] + c];
            }
          }
        y[(static_cast<size_t>(oy) * out[1] + ox) * out[2] + oc] = static_cast<float>(sum);
      }
  return y;
}

TEST(Executor, ConvolutionsAgreeWithTheirDefinition) {
  for (int round = 0; round < 120; ++round) {
    Rng rng(11, round, "conv");
    const bool depthwise = round % 3 == 2;
    const int in[3] = {1 + static_cast<int>(rng.below(11)), 1 + static_cast<int>(rng.below(11)),
                       1 + static_cast<int>(rng.below(40))};
    Maker m;
    Node n;
    n.op = depthwise ? Op::kDepthwise : Op::kConv;
    const int ky = 1 + static_cast<int>(rng.below(5)), kx = 1 + static_cast<int>(rng.below(5));
    n.stride_y = 1 + static_cast<int>(rng.below(3)),
    n.stride_x = 1 + static_cast<int>(rng.below(3));
    n.dilation_y = 1 + static_cast<int>(rng.below(2)),
    n.dilation_x = 1 + static_cast<int>(rng.below(2));
    n.same_padding =
        rng.below(2) || in[0] <= (ky - 1) * n.dilation_y || in[1] <= (kx - 1) * n.dilation_x;
    const auto size = [&](int i, int k, int s, int d) {
      return n.same_padding ? (i + s - 1) / s : (i - ((k - 1) * d + 1)) / s + 1;
    };
    const int out[3] = {size(in[0], ky, n.stride_y, n.dilation_y),
                        size(in[1], kx, n.stride_x, n.dilation_x),
                        depthwise ? in[2] : 1 + static_cast<int>(rng.below(70))};
    int x = m.input({1, in[0], in[1], in[2]});
    if (depthwise) {  // needs a padded input: 0 + x
      n.inputs = {x};
      x = m.node(Op::kPad, {x}, {1, in[0], in[1], in[2]}).outputs[0];
      m.graph.nodes.back().pads = {0, 0, 0, 0, 0, 0, 0, 0};
    }
    const int w = m.random({depthwise ? 1 : out[2], ky, kx, in[2]}, rng),
              b = m.random({out[2]}, rng);
    const auto keep = n;
    n = m.node(n.op, {x, w, b}, {1, out[0], out[1], out[2]});
    const auto wired = n;
    n = keep;
    n.inputs = wired.inputs, n.outputs = wired.outputs;
    m.graph.nodes.back() = n;
    const auto data = noise(static_cast<size_t>(in[0]) * in[1] * in[2], rng);
    const auto want =
        reference_conv(n, data, in, m.graph.tensors[w], m.graph.tensors[b].values, out);
    const auto got = m.run(data);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 2e-4) << "round " << round << " at " << i;
  }
}

TEST(Executor, ResidualAndActivationAreFusedWithoutChangingTheResult) {
  Rng rng(3, 0, "fuse");
  // relu(conv(x) + pad(x)), and prelu(conv(x) + x) with the residual of fewer channels.
  Maker m;
  const int x0 = m.input({1, 5, 7, 20});
  const int x = m.node(Op::kRelu, {x0}, {1, 5, 7, 20}).outputs[0];
  const int w = m.random({24, 1, 1, 20}, rng), b = m.random({24}, rng);
  const int c = m.node(Op::kConv, {x, w, b}, {1, 5, 7, 24}).outputs[0];
  const int p = m.node(Op::kPad, {x}, {1, 5, 7, 24}).outputs[0];
  m.graph.nodes.back().pads = {0, 0, 0, 0, 0, 0, 0, 4};
  const int sum = m.node(Op::kAdd, {p, c}, {1, 5, 7, 24}).outputs[0];
  const int slopes = m.random({1, 1, 24}, rng);
  m.node(Op::kPrelu, {sum, slopes}, {1, 5, 7, 24});
  const auto data = noise(5 * 7 * 20, rng);
  const auto got = m.run(data);
  for (int i = 0; i < 35; ++i) {
    for (int o = 0; o < 24; ++o) {
      double v = m.graph.tensors[b].values[o];
      for (int k = 0; k < 20; ++k)
        v += std::max(0.f, data[i * 20 + k]) * m.graph.tensors[w].values[o * 20 + k];
      if (o < 20) v += std::max(0.f, data[i * 20 + o]);
      const double want = v > 0 ? v : v * m.graph.tensors[slopes].values[o];
      ASSERT_NEAR(got[i * 24 + o], want, 1e-4);
    }
  }
}

TEST(Executor, PoolingByHand) {
  Maker m;
  const int x0 = m.input({1, 3, 3, 1});
  const int x = m.node(Op::kAbs, {x0}, {1, 3, 3, 1}).outputs[0];
  Node& n = m.node(Op::kMaxPool, {x}, {1, 2, 2, 1});
  n.window_x = n.window_y = n.stride_x = n.stride_y = 2;
  n.same_padding = true;
  EXPECT_EQ(m.run({1, -2, 3, 4, 5, -6, 7, 8, 9}), (std::vector<float>{5, 6, 8, 9}));
  m.graph.nodes.back().op = Op::kAveragePool;  // of the elements inside the picture
  EXPECT_EQ(m.run({1, -2, 3, 4, 5, -6, 7, 8, 9}), (std::vector<float>{3, 4.5, 7.5, 9}));
}

TEST(Executor, ResizeByHand) {
  Maker m;
  Node& n = m.node(Op::kResizeBilinear, {m.input({1, 1, 2, 1})}, {1, 1, 4, 1});
  n.half_pixel = true;
  EXPECT_EQ(m.run({0, 4}), (std::vector<float>{0, 1, 3, 4}));
  m.graph.nodes.back().half_pixel = false;
  EXPECT_EQ(m.run({0, 4}), (std::vector<float>{0, 2, 4, 4}));
  m.graph.nodes.back().align_corners = true;
  const auto got = m.run({0, 3});
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(got[i], i, 1e-6);
}

TEST(Executor, TransposedConvolutionByHand) {
  Maker m;
  const int x = m.input({1, 1, 2, 1});
  Node& n =
      m.node(Op::kTransposeConv, {x, m.constant({1, 2, 2, 1}, {1, 2, 3, 4}), m.constant({1}, {10})},
             {1, 2, 4, 1});
  n.stride_x = n.stride_y = 2;
  n.same_padding = true;
  EXPECT_EQ(m.run({1, -1}), (std::vector<float>{11, 12, 9, 8, 13, 14, 7, 6}));
}

TEST(Executor, ActivationsByHand) {
  Maker m;
  const int x = m.input({1, 1, 1, 3});
  m.node(Op::kHardSwish, {x}, {1, 1, 1, 3});
  const auto swish = m.run({-4, 1, 5});
  EXPECT_FLOAT_EQ(swish[0], 0);
  EXPECT_FLOAT_EQ(swish[1], 4.f / 6);
  EXPECT_FLOAT_EQ(swish[2], 5);
  m.graph.nodes.back().op = Op::kLogistic;
  EXPECT_FLOAT_EQ(m.run({0, 100, -100})[0], 0.5f);
  EXPECT_FLOAT_EQ(m.run({0, 100, -100})[1], 1);
}

// The crop's corners must land on the subset's box, grown and turned.
TEST(Executor, LandmarkCropFramesItsPoints) {
  const float angle = 0.5f, c = std::cos(angle), s = std::sin(angle);
  std::vector<float> points;  // a 6 x 2 rectangle around (20, 10), turned by `angle`
  for (auto [u, v] : {std::pair{-3.f, 0.f}, {3.f, 0.f}, {-3.f, -1.f}, {3.f, 1.f}})
    points.insert(points.end(), {20 + c * u - s * v, 10 + s * u + c * v, 0});
  Maker m;
  const int x = m.input({1, 4, 3});
  Node& n = m.node(Op::kLandmarksToMatrix, {x}, {1, 4, 4});
  n.subset = {0, 1, 2, 3};
  n.left_point = 0, n.right_point = 1;
  n.crop_width = 16, n.crop_height = 8;
  n.scale_x = n.scale_y = 1.5f;
  const int matrix = n.outputs[0];
  // Crop pixel coordinates of the crop's centre and right edge, as landmarks.
  const int local = m.constant({1, 2, 2}, {8, 4, 16, 4});
  const int sum = m.node(Op::kAdd, {local, m.constant({1}, {0})}, {1, 2, 2}).outputs[0];
  m.node(Op::kTransformLandmarks, {sum, matrix}, {1, 2, 2});
  const auto got = m.run(points);
  EXPECT_NEAR(got[0], 20, 1e-4);
  EXPECT_NEAR(got[1], 10, 1e-4);
  EXPECT_NEAR(got[2], 20 + c * 4.5f, 1e-4);  // half of 6 * 1.5
  EXPECT_NEAR(got[3], 10 + s * 4.5f, 1e-4);
}

TEST(Executor, IdentityTransformKeepsTheFeatureMap) {
  Rng rng(5, 0, "identity");
  Maker m;
  const int x = m.input({1, 4, 5, 3});
  std::vector<float> identity(16, 0.f);
  for (int i = 0; i < 4; ++i) identity[5 * i] = 1;
  const int zero = m.constant({1}, {0});
  const int matrix =
      m.node(Op::kAdd, {m.constant({1, 4, 4}, identity), zero}, {1, 4, 4}).outputs[0];
  Node& n = m.node(Op::kTransformTensor, {x, matrix}, {1, 4, 5, 3});
  n.crop_height = 4, n.crop_width = 5;
  const auto data = noise(60, rng);
  const auto got = m.run(data);
  for (int i = 0; i < 60; ++i) EXPECT_NEAR(got[i], data[i], 1e-6);
}

TEST(Executor, BadGraphsAreErrors) {
  const auto refuses = [](const Maker& m) { EXPECT_THROW(Executor{m.graph}, Error); };
  Maker missing;  // reads a tensor nobody computes
  missing.input({1, 2, 2, 4});
  missing.node(Op::kRelu, {missing.data({1, 2, 2, 4})}, {1, 2, 2, 4});
  refuses(missing);
  Maker wrong;  // declared shape differs
  wrong.node(Op::kRelu, {wrong.input({1, 2, 2, 4})}, {1, 2, 3, 4});
  refuses(wrong);
  Maker weights;  // weights for other channels
  const int x = weights.input({1, 2, 2, 4});
  weights.node(Op::kConv, {x, weights.constant({8, 1, 1, 5}, std::vector<float>(40))},
               {1, 2, 2, 8});
  refuses(weights);
  Maker cycle;
  const int a = cycle.input({1, 2, 2, 4});
  cycle.node(Op::kRelu, {a}, {1, 2, 2, 4});
  cycle.graph.nodes.push_back(cycle.graph.nodes[0]);  // computed twice
  refuses(cycle);
  Maker huge;
  const int h = huge.input({1, 1, 1, 4});
  huge.node(Op::kPad, {h}, {});
  huge.graph.nodes.back().pads = {0, 0, 4000, 4000, 4000, 4000, 4000, 4000};
  refuses(huge);
}

std::filesystem::path seed_folder() {
  return std::filesystem::path(LIKENESS_SOURCE_DIR) / "fuzz/corpus";
}

std::vector<float> read_floats(const std::filesystem::path& path) {
  const std::string raw = read_file(path);
  std::vector<float> v(raw.size() / 4);
  std::memcpy(v.data(), raw.data(), v.size() * 4);
  return v;
}

// fuzz/make_tflite_seed.py made the file and ran it through TensorFlow Lite.
TEST(Tflite, SmallNetworkGivesWhatTensorFlowLiteGives) {
  const Executor net(read_tflite(seed_folder() / "tflite/small.tflite"));
  const auto expected = read_floats(seed_folder() / "small_tflite_expected.f32");
  const size_t in = net.input_size(0);
  ASSERT_EQ(expected.size(), in + net.output_size(0) + net.output_size(1));
  const auto got = net.run(std::span(expected).first(in));
  size_t at = in;
  for (const auto& output : got)
    for (float v : output) {
      ASSERT_NEAR(v, expected[at], 1e-5 + 1e-5 * std::fabs(expected[at])) << at;
      ++at;
    }
}

TEST(Tflite, EveryTruncationIsAnError) {
  const std::string raw = read_file(seed_folder() / "tflite/small.tflite");
  const std::span all(reinterpret_cast<const uint8_t*>(raw.data()), raw.size());
  for (size_t k = 0; k < raw.size(); ++k)
    EXPECT_THROW(Executor(parse_tflite(all.first(k))), Error) << k;
}

TEST(Tflite, FlippedBytesAreAnErrorOrARunnableGraph) {
  const std::string raw = read_file(seed_folder() / "tflite/small.tflite");
  int refused = 0;
  for (int round = 0; round < 6000; ++round) {
    Rng rng(1, round, "flip");
    std::vector<uint8_t> bytes(raw.begin(), raw.end());
    for (uint64_t i = 0; i <= rng.below(4); ++i)
      bytes[rng.below(bytes.size())] = static_cast<uint8_t>(rng.next());
    try {
      const Executor net(parse_tflite(bytes));
      if (net.multiply_adds() < 1000000 && net.workspace_bytes() < (1 << 20) && net.inputs() == 1)
        net.run(std::vector<float>(net.input_size(0), 0.5f));
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);  // the structure takes up a good part of this file
}

// --- the installed models ---
std::filesystem::path models() {
  const char* named = std::getenv("LIKENESS_MODELS");
  return named ? std::filesystem::path(named)
               : std::filesystem::path(LIKENESS_SOURCE_DIR) / ".cache/models";
}
#define SKIP_WITHOUT(file)                         \
  if (!std::filesystem::exists(models() / (file))) \
  GTEST_SKIP() << (file) << " is not installed: scripts/install-models"

std::vector<float> smooth_input(int size, bool symmetric) {
  std::vector<float> x;
  for (int y = 0; y < size; ++y)
    for (int i = 0; i < size; ++i)
      for (int c = 0; c < 3; ++c) {
        const auto v = static_cast<float>(0.5 + 0.5 * std::sin(0.05 * i + 0.09 * y + c));
        x.push_back(symmetric ? v * 2 - 1 : v);
      }
  return x;
}

/// Outputs one after the other; values at 6 places and the mean magnitude, as TensorFlow Lite 2.x
/// gives them (the attention net's custom operators recomputed in numpy).
struct Reference {
  const char* name;
  size_t size;
  float at[6];
  double mean;
};
const Reference kReferences[] = {
    {"face_detection_short_range",
     15232,
     {1.07364f, -1.27093f, -3.33182f, -0.220008f, 0.485488f, -35.9138f},
     12.58221},
    {"face_detection_full_range",
     39168,
     {-3.37423f, 5.45494f, -2.90171f, -2.20399f, -2.73562f, -9.14658f},
     8.350934},
    {"face_landmark", 1405, {81.6746f, -3.55116f, 49.201f, 44.963f, 86.8111f, -8.19127f}, 64.24012},
    {"face_landmark_with_attention",
     1869,
     {84.0388f, 71.3869f, 7.45001f, 124.364f, 124.288f, -12.7124f},
     71.13729}};

TEST(Tflite, RealModelsGiveWhatTensorFlowLiteGives) {
  SKIP_WITHOUT("face_landmark_with_attention.tflite");
  for (const Reference& r : kReferences) {
    const Executor net(read_tflite(models() / (std::string(r.name) + ".tflite")));
    const bool detector = std::string(r.name).find("detection") != std::string::npos;
    std::vector<float> all;
    for (const auto& out : net.run(smooth_input(net.input_shape(0)[1], detector)))
      all.insert(all.end(), out.begin(), out.end());
    ASSERT_EQ(all.size(), r.size) << r.name;
    const size_t n = all.size(), places[6] = {0, n / 7, n / 3, n / 2, 2 * n / 3, n - 1};
    for (int i = 0; i < 6; ++i)
      EXPECT_NEAR(all[places[i]], r.at[i], 1e-3) << r.name << " " << places[i];
    double mean = 0;
    for (float v : all) mean += std::fabs(v) / static_cast<double>(n);
    EXPECT_NEAR(mean, r.mean, 1e-4 * r.mean) << r.name;
  }
}

// A drawn person: head, hair, shoulders on a plain ground. Expected values from TensorFlow Lite.
TEST(Tflite, SegmentationFindsADrawnPerson) {
  SKIP_WITHOUT("selfie_segmentation.tflite");
  const Executor net(read_tflite(models() / "selfie_segmentation.tflite"));
  std::vector<float> x;
  const auto inside = [](double px, double py, double cx, double cy, double rx, double ry) {
    return (px - cx) / rx * (px - cx) / rx + (py - cy) / ry * (py - cy) / ry < 1;
  };
  for (int y = 0; y < 256; ++y)
    for (int i = 0; i < 256; ++i) {
      std::vector<float> rgb{0.35f, 0.4f, 0.5f};
      if (inside(i, y, 128, 260, 95, 95)) rgb = {0.2f, 0.25f, 0.3f};
      if (inside(i, y, 128, 95, 50, 60)) rgb = {0.15f, 0.1f, 0.08f};
      if (inside(i, y, 128, 110, 42, 56) && y > 80) rgb = {0.8f, 0.6f, 0.5f};
      x.insert(x.end(), rgb.begin(), rgb.end());
    }
  const auto matte = net.run(x)[0];
  double mean = 0;
  for (float v : matte) mean += v / 65536.0;
  EXPECT_NEAR(mean, 0.3578537, 1e-4);
  EXPECT_GT(matte[110 * 256 + 128], 0.99);
  EXPECT_LT(matte[10 * 256 + 10], 0.01);
}

TEST(Tflite, DamagedRealModelIsAnError) {
  SKIP_WITHOUT("face_landmark_with_attention.tflite");
  const std::string raw = read_file(models() / "face_landmark_with_attention.tflite");
  const std::span all(reinterpret_cast<const uint8_t*>(raw.data()), raw.size());
  for (size_t i = 0; i < 40; ++i) EXPECT_THROW(parse_tflite(all.first(raw.size() * i / 40)), Error);
  for (int round = 0; round < 60; ++round) {  // the structure stands at the end of the file
    Rng rng(2, round, "flip");
    std::vector<uint8_t> bytes(raw.begin(), raw.end());
    for (int i = 0; i < 20; ++i)
      bytes[bytes.size() - 1 - rng.below(bytes.size() / 20)] ^=
          static_cast<uint8_t>(1 + rng.below(255));
    try {
      Executor(parse_tflite(bytes));
    } catch (const Error&) {
    }
  }
}

TEST(Executor, ThreadsDoNotDisturbEachOther) {
  const Executor net(read_tflite(seed_folder() / "tflite/small.tflite"));
  Rng rng(9, 0, "threads");
  std::vector<std::vector<float>> in, want, got(200);
  for (int i = 0; i < 200; ++i)
    in.push_back(noise(net.input_size(0), rng)), want.push_back(net.run(in[i])[0]);
  parallel_for(0, 200, [&](int i) { got[i] = net.run(in[i])[0]; });
  for (int i = 0; i < 200; ++i) EXPECT_EQ(got[i], want[i]);  // bit for bit
}

}  // namespace
}  // namespace likeness::tensor
