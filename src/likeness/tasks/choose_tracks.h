// SPDX-License-Identifier: Apache-2.0
// Which tracks of some clips show the subject.
#pragma once

#include <optional>

#include "likeness/project/project.h"

namespace likeness::tasks {

/// Euclidean distance of dlib embeddings below which two tracks count as one person.
inline constexpr float kSamePerson = 0.5f;

struct TrackChoice {
  struct Person {
    int64_t faces = 0;  ///< frames over all tracks
    int tracks = 0;
    float distance = -1;  ///< to the reference; -1 without one
    bool chosen = false;
    face::Embedding embedding{};
  };
  std::vector<Person> people;  ///< most faces first
  std::vector<bool> keep;      ///< per track given
  std::string why;             ///< one sentence for the report
};

bool has_embedding(const project::TrackRow& track);

/// One person: all of them. Else the people nearer to `reference` than kSamePerson (the nearest one
/// when it is within 0.6); without a reference the person with most faces. Tracks too poor to be
/// recognised follow only when there is one person. Nothing is kept when nobody is near enough.
TrackChoice choose_tracks(const std::vector<project::TrackRow>& tracks,
                          const std::optional<face::Embedding>& reference, bool everybody);

}  // namespace likeness::tasks
