// SPDX-License-Identifier: Apache-2.0
// Who is who: agglomerative clustering of the tracks' mean embeddings.
#include <cmath>
#include <limits>

#include "likeness/face/video_analysis.h"

namespace likeness::face {
namespace {

constexpr double kNever = 1e9;

struct Cluster {
  std::array<double, kEmbeddingSize> sum{};
  double weight = 0;
  std::vector<size_t> members;
};

double distance_of(const Cluster& a, const Cluster& b) {
  double square = 0;
  for (int i = 0; i < kEmbeddingSize; ++i) {
    const double d = a.sum[i] / a.weight - b.sum[i] / b.weight;
    square += d * d;
  }
  return std::sqrt(square);
}

}  // namespace

// Centroid linkage, nearest pair first. Tracks without an embedding stay at -1. Tracks that share
// frames are different people whatever their embeddings say, so such clusters never join.
void cluster_tracks(std::vector<Track>& tracks, float threshold) {
  std::vector<Cluster> clusters;
  for (size_t i = 0; i < tracks.size(); ++i) {
    tracks[i].cluster = -1;
    if (tracks[i].embeddings == 0) continue;
    Cluster cluster;
    cluster.weight = tracks[i].embeddings;
    for (int k = 0; k < kEmbeddingSize; ++k)
      cluster.sum[k] = cluster.weight * tracks[i].embedding[k];
    cluster.members = {i};
    clusters.push_back(std::move(cluster));
  }
  const auto together = [&](const Cluster& a, const Cluster& b) {
    for (size_t i : a.members)
      for (size_t j : b.members)
        if (tracks[i].first <= tracks[j].last && tracks[j].first <= tracks[i].last) return true;
    return false;
  };
  // Distances are kept and only those of the joined cluster change: a film has thousands of tracks.
  std::vector<std::vector<double>> apart(clusters.size(), std::vector<double>(clusters.size(), 0));
  const auto measure = [&](size_t i, size_t j) {
    const double d = distance_of(clusters[i], clusters[j]);
    const bool may = d < threshold && !together(clusters[i], clusters[j]);
    apart[i][j] = apart[j][i] = may ? d : kNever;
  };
  for (size_t i = 0; i < clusters.size(); ++i)
    for (size_t j = i + 1; j < clusters.size(); ++j) measure(i, j);
  for (;;) {
    double nearest = kNever;
    size_t a = 0, b = 0;
    for (size_t i = 0; i < clusters.size(); ++i)
      for (size_t j = i + 1; j < clusters.size(); ++j)
        if (apart[i][j] < nearest) nearest = apart[i][j], a = i, b = j;
    if (a == b) break;
    for (int k = 0; k < kEmbeddingSize; ++k) clusters[a].sum[k] += clusters[b].sum[k];
    clusters[a].weight += clusters[b].weight;
    clusters[a].members.insert(clusters[a].members.end(), clusters[b].members.begin(),
                               clusters[b].members.end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(b));
    apart.erase(apart.begin() + static_cast<std::ptrdiff_t>(b));
    for (auto& row : apart) row.erase(row.begin() + static_cast<std::ptrdiff_t>(b));
    for (size_t i = 0; i < clusters.size(); ++i)
      if (i != a) measure(i, a);
  }
  for (size_t c = 0; c < clusters.size(); ++c)
    for (size_t i : clusters[c].members) tracks[i].cluster = static_cast<int>(c);
}

}  // namespace likeness::face
