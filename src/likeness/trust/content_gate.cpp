// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/content_gate.h"

#include <algorithm>
#include <cmath>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/video.h"
#include "likeness/tensor/executor.h"
#include "likeness/tensor/faceapi_weights.h"
#include "likeness/tensor/graph_builder.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

using tensor::Activation;
using tensor::Graph;
using tensor::Node;
using tensor::Op;

constexpr int kSide = 224;
constexpr float kEpsilon = 1e-3f;
constexpr const char* kData = "nsfwjs_mobilenet_v2.bin";
constexpr const char* kManifest = "nsfwjs_mobilenet_v2-weights_manifest.json";

/// Keras' MobileNetV2 with the batch normalisations folded into the convolutions.
class Builder : public tensor::GraphBuilder {
 public:
  explicit Builder(const tensor::WeightMap& weights)
      : GraphBuilder(weights, "the weights of the content gate are") {}

  Data conv(Data x, const std::string& name, const std::string& norm, int stride, bool relu6) {
    const auto& w = weight(name + "/kernel", 4);
    const int kernel = w.shape[0], out = w.shape[3], taps = kernel * kernel * x.channels;
    if (w.shape[1] != kernel || w.shape[2] != x.channels) damaged(name + " does not fit");
    const Fold f = fold(norm, out);
    std::vector<float> turned(w.values.size());  // HWIO -> OHWI
    for (int k = 0; k < taps; ++k)
      for (int o = 0; o < out; ++o)
        turned[static_cast<size_t>(o) * taps + k] =
            w.values[static_cast<size_t>(k) * out + o] * f.scale[static_cast<size_t>(o)];
    Node n = node(Op::kConv, x, stride, relu6);
    n.inputs.push_back(constant({out, kernel, kernel, x.channels}, std::move(turned)));
    n.inputs.push_back(constant({out}, f.shift));
    const Data y = add(n, (x.size + stride - 1) / stride, out);
    return relu6 ? at_most_six(y) : y;
  }
  Data depthwise(Data x, const std::string& name, int stride) {
    const auto& w = weight(name + "/depthwise_kernel", 4);
    if (w.shape != std::vector<int>{3, 3, x.channels, 1}) damaged(name + " does not fit");
    const Fold f = fold(name + "_BN", x.channels);
    std::vector<float> scaled(w.values);
    for (size_t i = 0; i < scaled.size(); ++i)
      scaled[i] *= f.scale[i % static_cast<size_t>(x.channels)];
    Node n = node(Op::kDepthwise, x, stride, true);
    n.inputs.push_back(constant({1, 3, 3, x.channels}, std::move(scaled)));
    n.inputs.push_back(constant({x.channels}, f.shift));
    return at_most_six(add(n, (x.size + stride - 1) / stride, x.channels));
  }
  Data sum(Data a, Data b) {
    Node n;
    n.op = Op::kAdd;
    n.inputs = {a.tensor, b.tensor};
    return add(n, a.size, a.channels);
  }
  Data pool(Data x) {
    Node n;
    n.op = Op::kAveragePool;
    n.inputs = {x.tensor};
    n.window_x = n.window_y = x.size;
    n.stride_x = n.stride_y = 1;
    return add(n, 1, x.channels);
  }
  Data dense(Data x, const std::string& name, bool relu) {
    return fully_connected(x, name + "/kernel", name + "/bias",
                           relu ? Activation::kRelu : Activation::kNone);
  }

 private:
  struct Fold {
    std::vector<float> scale, shift;
  };
  Fold fold(const std::string& norm, int size) const {
    const auto &gamma = vector(norm + "/gamma", size), &beta = vector(norm + "/beta", size),
               &mean = vector(norm + "/moving_mean", size),
               &variance = vector(norm + "/moving_variance", size);
    Fold f;
    for (size_t i = 0; i < static_cast<size_t>(size); ++i) {
      f.scale.push_back(gamma[i] / std::sqrt(std::max(0.f, variance[i]) + kEpsilon));
      f.shift.push_back(beta[i] - mean[i] * f.scale[i]);
    }
    return f;
  }
  /// min(x, 6) = 6 - relu(6 - x), as two depthwise convolutions of one tap: the executor has no
  /// ReLU6, and for one network of a few pictures a second this is fast enough.
  Data at_most_six(Data x) {
    for (bool relu : {true, false}) {
      Node n = node(Op::kDepthwise, x, 1, relu);
      const auto c = static_cast<size_t>(x.channels);
      n.inputs.push_back(constant({1, 1, 1, x.channels}, std::vector<float>(c, -1.f)));
      n.inputs.push_back(constant({x.channels}, std::vector<float>(c, 6.f)));
      x = add(n, x.size, x.channels);
    }
    return x;
  }
  static Node node(Op op, Data x, int stride, bool relu) {
    Node n;
    n.op = op;
    n.inputs = {x.tensor};
    n.same_padding = true;
    n.stride_x = n.stride_y = stride;
    n.activation = relu ? Activation::kRelu : Activation::kNone;
    return n;
  }
};

Graph mobilenet_v2(const tensor::WeightMap& weights) {
  Builder b(weights);
  auto x = b.conv(b.input(kSide, 3), "Conv1", "bn_Conv1", 2, true);
  x = b.depthwise(x, "expanded_conv_depthwise", 1);
  x = b.conv(x, "expanded_conv_project", "expanded_conv_project_BN", 1, false);
  for (int i = 1; i <= 16; ++i) {
    const std::string name = "block_" + std::to_string(i) + "_";
    const int stride = i == 1 || i == 3 || i == 6 || i == 13 ? 2 : 1;
    auto y = b.conv(x, name + "expand", name + "expand_BN", 1, true);
    y = b.depthwise(y, name + "depthwise", stride);
    y = b.conv(y, name + "project", name + "project_BN", 1, false);
    x = stride == 1 && y.channels == x.channels ? b.sum(x, y) : y;
  }
  x = b.pool(b.conv(x, "Conv_1", "Conv_1_bn", 1, true));
  x = b.dense(b.dense(b.dense(x, "dense_1", true), "dense_2", true), "dense_3", false);
  b.graph.outputs = {x.tensor};
  return std::move(b.graph);
}

/// The picture at 224 x 224 in [0, 1], squeezed as nsfwjs does it (bilinear, corners aligned);
/// reduced by averaging first, so that nothing is missed between the taps.
std::vector<float> net_input(const Image8& image) {
  std::vector<float> out(static_cast<size_t>(kSide) * kSide * 3);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const int x0 = x * image.width / kSide, y0 = y * image.height / kSide;
      const int x1 = std::max(x0 + 1, (x + 1) * image.width / kSide),
                y1 = std::max(y0 + 1, (y + 1) * image.height / kSide);
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (int v = y0; v < y1; ++v)
          for (int u = x0; u < x1; ++u) sum += image.at(u, v, image.channels == 3 ? c : 0);
        out[(static_cast<size_t>(y) * kSide + x) * 3 + c] =
            sum / (255.f * static_cast<float>((x1 - x0) * (y1 - y0)));
      }
    }
  return out;
}

}  // namespace

struct ContentNet::Impl {
  explicit Impl(const tensor::WeightMap& weights) : executor(mobilenet_v2(weights)) {}
  tensor::Executor executor;
  std::string hash;
};

ContentNet::ContentNet(const fs::path& models) {
  std::error_code ec;
  for (const char* name : {kData, kManifest})
    if (!fs::exists(models / name, ec))
      throw Error(ErrorCode::kMissing,
                  "the content gate's network is not installed: " + (models / name).string(),
                  "run scripts/install-models");
  impl_ = std::make_unique<Impl>(tensor::read_faceapi_weights(models / kManifest, models / kData));
  impl_->hash = sha256_file(models / kData);
}
ContentNet::~ContentNet() = default;
const std::string& ContentNet::hash() const { return impl_->hash; }

std::array<float, 5> ContentNet::logits(const std::vector<float>& input) const {
  const auto out = impl_->executor.run(input);
  LIKENESS_REQUIRE(out.size() == 1 && out[0].size() == 5);
  std::array<float, 5> a;
  std::copy(out[0].begin(), out[0].end(), a.begin());
  return a;
}

ContentScores ContentNet::score(const Image8& image) const {
  auto v = logits(net_input(image));
  const float top = *std::max_element(v.begin(), v.end());
  float sum = 0;
  for (float& x : v) sum += x = std::exp(x - top);
  for (float& x : v) x /= sum;
  return {v[0], v[1], v[2], v[3], v[4]};  // the order of the package's classes
}

ContentVerdict judge_content(const std::vector<float>& sexual, const std::vector<double>& times_s) {
  LIKENESS_REQUIRE(sexual.size() == times_s.size());
  ContentVerdict v;
  int run = 0;
  for (size_t i = 0; i < sexual.size(); ++i) {
    ++v.sampled;
    const bool counts = sexual[i] > kSexualScore;
    run = counts ? run + 1 : 0;
    v.counted += counts;
    if (sexual[i] > v.worst) v.worst = sexual[i], v.worst_time_s = times_s[i];
    if (run >= kSexualRun) v.refused = true;
  }
  // Of a picture, or a clip of a few seconds, one frame is more than the share.
  if (static_cast<double>(v.counted) > kSexualShare * static_cast<double>(v.sampled))
    v.refused = true;
  return v;
}

ContentVerdict check_content(const fs::path& path, const ContentNet& net, Progress& progress,
                             const Cancel& cancel) {
  media::VideoReader reader(path);
  const bool stills = reader.info().is_still || reader.info().is_image_sequence;
  progress.begin("content of " + path.filename().string(), reader.info().duration_s, "s");
  std::vector<float> scores;
  std::vector<double> times;
  double next = 0;
  while (auto frame = reader.next()) {
    cancel.check();
    const double t = frame->time.value();
    if (!scores.empty() && !stills && t < next) continue;
    next = t + kSampleEveryS;
    scores.push_back(net.score(frame->rgb8_scaled(kSide * 2)).sexual());
    times.push_back(t);
    progress.set(t);
  }
  progress.end();
  return judge_content(scores, times);
}

}  // namespace likeness::trust
