// SPDX-License-Identifier: Apache-2.0
// A network as data: what importers produce and the executor runs.
// Rules of the module: activations are float32, NHWC, batch 1 (a batch is a loop over run()).
// Convolution weights are OHWI, depthwise weights 1HWC. Everything here is torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace likeness::tensor {

enum class Op : uint8_t {
  kConv,            ///< x, weights OHWI, [bias O]
  kDepthwise,       ///< x, weights 1HWC, [bias C]; multiplier 1
  kFullyConnected,  ///< x (flattened), weights OI, [bias O]
  kTransposeConv,   ///< x, weights OHWI, [bias O]
  kMaxPool,
  kAveragePool,  ///< over the valid elements of the window
  kAdd,
  kSub,
  kMul,
  kRelu,
  kPrelu,  ///< x, slopes (per channel)
  kAbs,
  kHardSwish,
  kLogistic,
  kPad,  ///< zeros; `pads` = before, after per axis of the input
  kReshape,
  kConcat,
  kResizeBilinear,
  kStridedSlice,        ///< `begin`, `stride` per axis, extent from the output's shape
  kLandmarksToMatrix,   ///< points 1xNx3 -> matrix_from_crop 1x4x4 (MediaPipe
                        ///< Landmarks2TransformMatrix v2)
  kTransformTensor,     ///< x, matrix -> affine bilinear crop (TransformTensorBilinear v2)
  kTransformLandmarks,  ///< points 1xNx2, matrix -> points
};
const char* op_name(Op op);

enum class Activation : uint8_t { kNone, kRelu, kPrelu, kHardSwish };

struct GraphTensor {
  std::string name;
  std::vector<int> shape;
  bool constant = false;
  std::vector<float> values;      ///< of a constant; float16 already widened
  std::vector<int32_t> integers;  ///< of an int32 constant
  int64_t elements() const {
    int64_t n = 1;
    for (int d : shape) n *= d;
    return n;
  }
};

struct Node {
  Op op = Op::kConv;
  std::vector<int> inputs;  ///< tensor indices; -1 = not given
  std::vector<int> outputs;
  bool same_padding = false;
  int stride_x = 1, stride_y = 1, dilation_x = 1, dilation_y = 1;
  int window_x = 1, window_y = 1;             ///< pooling
  Activation activation = Activation::kNone;  ///< fused in the file; kNone or kRelu
  int axis = 0;
  bool align_corners = false, half_pixel = false;
  std::vector<int> pads, begin, stride;
  // kLandmarksToMatrix
  std::vector<int> subset;
  int left_point = 0, right_point = 0, crop_width = 0, crop_height = 0;
  float scale_x = 1, scale_y = 1, target_angle_rad = 0;
};

struct Graph {
  std::vector<GraphTensor> tensors;
  std::vector<Node> nodes;  ///< in an order in which every input exists before its use
  std::vector<int> inputs, outputs;
  /// Index into `outputs` of the output with this name, or -1.
  int find_output(const std::string& name) const;
};

}  // namespace likeness::tensor
