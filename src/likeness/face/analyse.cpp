// SPDX-License-Identifier: Apache-2.0
#include "likeness/face/analyse.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/face/geometry.h"
#include "likeness/face/nets_detector.h"
#include "likeness/face/nets_dlib.h"
#include "likeness/face/nets_image.h"
#include "likeness/tensor/model_card.h"
#include "likeness/tensor/tflite.h"

namespace likeness::face {
namespace {

constexpr int kMeshInput = 192, kMatteInput = 256;
constexpr float kDetectorInput = 192;  // of the full-range net, the larger one
constexpr float kTileFrom = 480;       // shorter side from which detect() looks at parts as well
constexpr float kCropScale = 1.5f, kMinPresence = 0.5f;
// The rims of the eyes, 16 points each: the irises lie at their mean depth. The first and ninth are
// the corners. (MediaPipe's own rule.)
constexpr int kRightRim[16] = {33,  7,   163, 144, 145, 153, 154, 155,
                               133, 246, 161, 160, 159, 158, 157, 173};
constexpr int kLeftRim[16] = {263, 249, 390, 373, 374, 380, 381, 382,
                              362, 466, 388, 387, 386, 385, 384, 398};

float sigmoid(float x) { return 1.f / (1.f + std::exp(-x)); }

/// The attention net's outputs by place, and which mesh points its finer outputs replace. The index
/// lists stand in the net itself: the crops around lips and eyes are made from the same points.
struct AttentionLayout {
  int mesh = -1, lips = -1, right_eye = -1, left_eye = -1, right_iris = -1, left_iris = -1,
      presence = -1;
  std::vector<int> lip_points, right_eye_points, left_eye_points;  // the subject's right and left

  explicit AttentionLayout(const tensor::Graph& graph) {
    mesh = graph.find_output("output_mesh_identity");
    lips = graph.find_output("output_lips");
    // The file names the eyes as they stand in the picture: its left is the subject's right.
    right_eye = graph.find_output("output_left_eye");
    left_eye = graph.find_output("output_right_eye");
    right_iris = graph.find_output("output_left_iris");
    left_iris = graph.find_output("output_right_iris");
    presence = graph.find_output("conv_faceflag");
    for (const tensor::Node& n : graph.nodes) {
      if (n.op != tensor::Op::kLandmarksToMatrix) continue;
      const auto has = [&](int i) {
        return std::find(n.subset.begin(), n.subset.end(), i) != n.subset.end();
      };
      (has(kRightRim[0])  ? right_eye_points
       : has(kLeftRim[0]) ? left_eye_points
                          : lip_points) = n.subset;
    }
  }
  bool fits(const tensor::Executor& net) const {
    const auto size = [&](int output, size_t wanted) {
      return output >= 0 && net.output_size(output) == wanted;
    };
    const auto inside = [](const std::vector<int>& points) {
      return std::all_of(points.begin(), points.end(),
                         [](int i) { return i >= 0 && i < kMeshPoints; });
    };
    return size(mesh, 3 * kMeshPoints) && size(lips, 2 * lip_points.size()) &&
           size(right_iris, 10) && size(left_iris, 10) &&
           size(right_eye, 2 * right_eye_points.size()) &&
           size(left_eye, 2 * left_eye_points.size()) && size(presence, 1) &&
           lip_points.size() == 80 && right_eye_points.size() == 71 &&
           left_eye_points.size() == 71 && inside(lip_points) && inside(right_eye_points) &&
           inside(left_eye_points);
  }
};

[[noreturn]] void unexpected(const char* model) {
  throw Error(ErrorCode::kDamaged,
              std::string("the model ") + model + " has unexpected inputs or outputs",
              "run scripts/install-models again");
}

tensor::Graph load(const std::filesystem::path& folder, const std::string& name) {
  return tensor::read_tflite(folder / (name + ".tflite"));
}

/// Cards and hashes of everything, before anything is read.
void verify(const std::filesystem::path& folder) {
  for (const char* name : {"face_detection_short_range", "face_detection_full_range",
                           "face_landmark", "face_landmark_with_attention", "face_geometry",
                           "selfie_segmentation", "face_recognition"}) {
    const auto card = folder / (std::string(name) + ".toml");
    if (!std::filesystem::is_regular_file(card))
      throw Error(ErrorCode::kMissing, "the face models are not installed in " + folder.string(),
                  "run scripts/install-models, or set LIKENESS_MODELS to the folder that has them");
    tensor::verify_model(tensor::read_model_card(card), folder);
  }
}

tensor::Graph load_resnet(const std::filesystem::path& folder) {
  return dlib_resnet(tensor::read_faceapi_weights(folder / "face_recognition-weights_manifest.json",
                                                  folder / "face_recognition.bin"));
}

void check_image(const Image8& image) {
  if (image.empty() || image.channels != 3)
    throw Error(ErrorCode::kBadInput, "face analysis needs an RGB picture",
                "convert the picture to RGB");
}

/// Mesh points that lie on the rim give the centre and size of an iris nobody measured. Order as
/// the net's: centre, then the subject-independent image right, top, left, bottom.
void guess_iris(Points& points, const int rim[16], int first) {
  Point3 mean{};
  for (int i = 0; i < 16; ++i)
    mean.x += points[rim[i]].x / 16, mean.y += points[rim[i]].y / 16,
        mean.z += points[rim[i]].z / 16;
  const Point3 a = points[rim[0]], b = points[rim[8]];
  // An iris is about 11.7 mm wide, the opening of an eye about 30 mm.
  float ux = (b.x - a.x) * 0.195f, uy = (b.y - a.y) * 0.195f;
  if (ux < 0) ux = -ux, uy = -uy;
  points[first] = mean;
  points[first + 1] = {mean.x + ux, mean.y + uy, mean.z};
  points[first + 2] = {mean.x + uy, mean.y - ux, mean.z};
  points[first + 3] = {mean.x - ux, mean.y - uy, mean.z};
  points[first + 4] = {mean.x - uy, mean.y + ux, mean.z};
}

}  // namespace

struct FaceNets::Impl {
  BlazeFace near, far;
  tensor::Executor mesh, attention, matte, resnet;
  AttentionLayout layout;
  int mesh_points = -1, mesh_presence = -1;

  explicit Impl(const std::filesystem::path& folder)
      : Impl(folder, load(folder, "face_landmark_with_attention")) {}

  Impl(const std::filesystem::path& folder, const tensor::Graph& attention_graph)
      : near(load(folder, "face_detection_short_range"), {{16, 2}, {8, 6}}),
        far(load(folder, "face_detection_full_range"), {{48, 1}}),
        mesh(load(folder, "face_landmark")),
        attention(attention_graph),
        matte(load(folder, "selfie_segmentation")),
        resnet(load_resnet(folder)),
        layout(attention_graph) {
    if (mesh.outputs() != 2) unexpected("face_landmark");
    mesh_points = mesh.output_size(0) == 3 * kMeshPoints ? 0 : 1;
    mesh_presence = 1 - mesh_points;
    const size_t input = 3 * kMeshInput * kMeshInput;
    if (mesh.output_size(mesh_points) != 3 * kMeshPoints || mesh.output_size(mesh_presence) != 1 ||
        mesh.input_size(0) != input)
      unexpected("face_landmark");
    if (!layout.fits(attention) || attention.input_size(0) != input)
      unexpected("face_landmark_with_attention");
    if (matte.input_size(0) != 3 * kMatteInput * kMatteInput || matte.outputs() != 1 ||
        matte.output_size(0) != kMatteInput * kMatteInput)
      unexpected("selfie_segmentation");
    if (resnet.output_size(0) != kEmbeddingSize) unexpected("face_recognition");
  }

  /// Points in crop pixels; gives the presence.
  float run_mesh(std::span<const float> input, Points& points) const {
    const auto out = mesh.run(input);
    read_mesh(out[mesh_points], points);
    guess_iris(points, kRightRim, kMeshPoints);
    guess_iris(points, kLeftRim, kMeshPoints + 5);
    return sigmoid(out[mesh_presence][0]);
  }
  float run_attention(std::span<const float> input, Points& points) const {
    const auto out = attention.run(input);
    read_mesh(out[layout.mesh], points);
    const auto refine = [&](const std::vector<float>& finer, const std::vector<int>& index) {
      for (size_t i = 0; i < index.size(); ++i)
        points[index[i]].x = finer[2 * i], points[index[i]].y = finer[2 * i + 1];
    };
    refine(out[layout.lips], layout.lip_points);
    refine(out[layout.right_eye], layout.right_eye_points);
    refine(out[layout.left_eye], layout.left_eye_points);
    const auto iris = [&](const std::vector<float>& xy, const int rim[16], int first) {
      float z = 0;
      for (int i = 0; i < 16; ++i) z += points[rim[i]].z / 16;
      for (int i = 0; i < 5; ++i) points[first + i] = {xy[2 * i], xy[2 * i + 1], z};
    };
    iris(out[layout.right_iris], kRightRim, kMeshPoints);
    iris(out[layout.left_iris], kLeftRim, kMeshPoints + 5);
    return sigmoid(out[layout.presence][0]);
  }
  static void read_mesh(const std::vector<float>& xyz, Points& points) {
    for (int i = 0; i < kMeshPoints; ++i) points[i] = {xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]};
  }
};

FaceNets::FaceNets(const std::filesystem::path& folder) {
  verify(folder);
  impl_ = std::make_unique<Impl>(folder);
}
FaceNets::~FaceNets() = default;

std::vector<Detection> FaceNets::detect(const Image8& image, bool far) const {
  check_image(image);
  const float width = static_cast<float>(image.width), height = static_cast<float>(image.height);
  const float longer = std::max(width, height), shorter = std::min(width, height);
  const Point2 centre{width / 2, height / 2};
  std::vector<Detection> found;
  const auto reduction_for = [&](float side_px) {  // leaves at least the input's resolution
    return std::clamp(static_cast<int>(side_px / kDetectorInput), 1,
                      std::min(image.width, image.height));
  };
  const int k = reduction_for(longer);
  const Image8 small = k > 1 ? reduce(image, k) : Image8{};
  const Image8& whole = k > 1 ? small : image;
  impl_->near.detect(whole, k, centre, longer, found);
  if (far) impl_->far.detect(whole, k, centre, longer, found);
  // In a large picture a face that is worth keeping would be a few pixels of the net's input: look
  // again at overlapping squares as high as the picture.
  if (far && shorter > kTileFrom && longer > 1.15f * shorter) {
    const int tile_k = reduction_for(shorter);
    const Image8 tile_small = tile_k > 1 && tile_k != k ? reduce(image, tile_k) : Image8{};
    const Image8& source = tile_k == 1 ? image : tile_k == k ? small : tile_small;
    const int tiles =
        std::min(8, static_cast<int>(std::ceil((longer - 0.25f * shorter) / (0.75f * shorter))));
    for (int i = 0; i < tiles; ++i) {
      const float along =
          shorter / 2 + (longer - shorter) * static_cast<float>(i) / static_cast<float>(tiles - 1);
      impl_->far.detect(source, tile_k,
                        width > height ? Point2{along, height / 2} : Point2{width / 2, along},
                        shorter, found);
    }
  }
  auto merged = merge_detections(std::move(found));
  std::erase_if(merged, [&](const Detection& d) {
    return d.box.x1 <= 0 || d.box.y1 <= 0 || d.box.x0 >= width || d.box.y0 >= height;
  });
  return merged;
}

FaceNets::Crop FaceNets::crop_of(const Detection& d) {
  const Point2 right = d.keypoints[0], left = d.keypoints[1];
  return {d.box.centre(), kCropScale * std::max(d.box.width(), d.box.height()),
          std::atan2(left.y - right.y, left.x - right.x)};
}

FaceNets::Crop FaceNets::crop_of(const Points& points) {
  const Point3 right = points[kRightRim[0]], left = points[kLeftRim[0]];
  const float angle = std::atan2(left.y - right.y, left.x - right.x);
  const float c = std::cos(angle), s = std::sin(angle);
  float x0 = 1e30f, y0 = 1e30f, x1 = -1e30f, y1 = -1e30f;
  for (int i = 0; i < kMeshPoints; ++i) {  // the bounding box in the frame where the eyes are level
    const float x = c * points[i].x + s * points[i].y, y = -s * points[i].x + c * points[i].y;
    x0 = std::min(x0, x), x1 = std::max(x1, x), y0 = std::min(y0, y), y1 = std::max(y1, y);
  }
  const float mx = (x0 + x1) / 2, my = (y0 + y1) / 2;
  return {{c * mx - s * my, s * mx + c * my}, kCropScale * std::max(x1 - x0, y1 - y0), angle};
}

Face FaceNets::mesh(const Image8& image, const Crop& crop, bool attention) const {
  check_image(image);
  Face face;
  const bool possible = crop.side_px > 1 && crop.side_px < 1e6f && std::isfinite(crop.centre.x) &&
                        std::isfinite(crop.centre.y) && std::isfinite(crop.angle_rad);
  if (!possible) return face;  // presence 0
  const Affine2 image_from_input =
      image_from_square(crop.centre, crop.side_px, crop.angle_rad, kMeshInput);
  std::vector<float> input(3 * kMeshInput * kMeshInput);
  sample_crop(image, image_from_input, kMeshInput, kMeshInput, {}, input);
  Points points;
  face.presence = impl_->run_mesh(input, points);
  // The attention net is sure of faces that are only printed; the plain one is not. Both must
  // agree.
  if (attention && face.presence >= kMinPresence)
    face.presence = std::min(face.presence, impl_->run_attention(input, points));
  const float z_scale = crop.side_px / kMeshInput;
  Box box{1e30f, 1e30f, -1e30f, -1e30f};
  for (int i = 0; i < kPoints; ++i) {
    const Point2 p = image_from_input({points[i].x, points[i].y});
    face.points[i] = {p.x, p.y, points[i].z * z_scale};
    if (i >= kMeshPoints) continue;
    box = {std::min(box.x0, p.x), std::min(box.y0, p.y), std::max(box.x1, p.x),
           std::max(box.y1, p.y)};
  }
  face.box = box;
  if (face.presence >= kMinPresence) face.pose = solve_pose(face.points);
  return face;
}

Embedding FaceNets::embed(const Image8& image, const Points& points) const {
  check_image(image);
  std::vector<float> input(3 * kChipSize * kChipSize);
  sample_crop(image, image_from_dlib_chip(landmarks68(points)), kChipSize, kChipSize,
              {{122.782f, 117.001f, 104.298f}, 1.f / 256.f}, input);
  const auto out = impl_->resnet.run(input);
  Embedding embedding;
  std::copy(out[0].begin(), out[0].end(), embedding.begin());
  return embedding;
}

std::vector<Embedding> FaceNets::embed(
    const std::vector<std::pair<const Image8*, const Points*>>& faces) const {
  std::vector<Embedding> out(faces.size());
  parallel_for(0, static_cast<int>(faces.size()),
               [&](int i) { out[i] = embed(*faces[i].first, *faces[i].second); });
  return out;
}

ImageF FaceNets::person_matte(const Image8& image) const {
  check_image(image);
  const float sx = static_cast<float>(image.width) / kMatteInput,
              sy = static_cast<float>(image.height) / kMatteInput;
  std::vector<float> input(3 * kMatteInput * kMatteInput);
  sample_crop(image, {{sx, 0, 0, 0, sy, 0}}, kMatteInput, kMatteInput, {}, input);
  auto out = impl_->matte.run(input);
  ImageF matte(image.width, image.height, 1);
  const cv::Mat small(kMatteInput, kMatteInput, CV_32F, out[0].data());
  cv::Mat full(image.height, image.width, CV_32F, matte.data.data());
  cv::resize(small, full, full.size(), 0, 0, cv::INTER_LINEAR);
  return matte;
}

float embedding_distance(const Embedding& a, const Embedding& b) {
  float sum = 0;
  for (int i = 0; i < kEmbeddingSize; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace likeness::face
