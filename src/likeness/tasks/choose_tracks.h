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

/// The same for a subject. Tracks that carry its name (given by a person, or by extract) decide:
/// they are kept, and of those without a name the ones that look like them. Without any,
/// choose_tracks().
TrackChoice choose_for_subject(const std::vector<project::TrackRow>& tracks,
                               const std::string& subject,
                               const std::optional<face::Embedding>& reference, bool everybody);

/// Tracks of a clip that a model is laid on. `who`: a subject, a track number, or "*" for
/// everybody. Empty with a reason in `why` when there is none.
struct WhoseTracks {
  std::vector<int> tracks;
  std::string why;
};
WhoseTracks tracks_of(const project::Project& project, int64_t media, const std::string& who);

}  // namespace likeness::tasks
