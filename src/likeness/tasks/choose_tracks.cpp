// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/choose_tracks.h"

#include <algorithm>
#include <numeric>

#include "likeness/face/video_analysis.h"
#include "likeness/faceset/faceset.h"

namespace likeness::tasks {
namespace {

int64_t frames_of(const project::TrackRow& t) { return t.last - t.first + 1; }

/// People as clusters of the recognisable tracks, and the person of each track (-1 = not
/// recognisable).
std::vector<TrackChoice::Person> find_people(const std::vector<project::TrackRow>& rows,
                                             std::vector<int>& person) {
  std::vector<face::Track> tracks;
  std::vector<size_t> row_of;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!has_embedding(rows[i])) continue;
    face::Track t;
    t.id = static_cast<int>(i);
    // Tracks of one clip that overlap in time are different people; those of two clips may not be.
    const FrameIndex clip_start = rows[i].media * (FrameIndex{1} << 40);
    t.first = clip_start + rows[i].first;
    t.last = clip_start + rows[i].last;
    t.embedding = rows[i].embedding;
    t.embeddings = 1;
    tracks.push_back(t);
    row_of.push_back(i);
  }
  face::cluster_tracks(tracks, kSamePerson);
  int clusters = 0;
  for (const auto& t : tracks) clusters = std::max(clusters, t.cluster + 1);
  std::vector<TrackChoice::Person> people(static_cast<size_t>(clusters));
  person.assign(rows.size(), -1);
  for (size_t i = 0; i < tracks.size(); ++i) {
    const auto c = static_cast<size_t>(tracks[i].cluster);
    const auto weight = static_cast<float>(frames_of(rows[row_of[i]]));
    person[row_of[i]] = tracks[i].cluster;
    people[c].tracks += 1;
    people[c].faces += frames_of(rows[row_of[i]]);
    for (size_t k = 0; k < people[c].embedding.size(); ++k)
      people[c].embedding[k] += weight * tracks[i].embedding[k];
  }
  for (auto& p : people)
    for (float& v : p.embedding) v /= static_cast<float>(std::max<int64_t>(1, p.faces));
  return people;
}

}  // namespace

bool has_embedding(const project::TrackRow& track) {
  return std::any_of(track.embedding.begin(), track.embedding.end(),
                     [](float v) { return v != 0; });
}

TrackChoice choose_tracks(const std::vector<project::TrackRow>& tracks,
                          const std::optional<face::Embedding>& reference, bool everybody) {
  TrackChoice choice;
  std::vector<int> person;
  std::vector<TrackChoice::Person> people = find_people(tracks, person);
  std::vector<size_t> order(people.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return people[a].faces > people[b].faces; });
  size_t nearest = 0;
  for (size_t i = 0; i < people.size(); ++i) {
    if (reference) people[i].distance = face::embedding_distance(people[i].embedding, *reference);
    if (people[i].distance < people[nearest].distance) nearest = i;
  }
  if (everybody || (people.size() <= 1 && !reference)) {
    for (auto& p : people) p.chosen = true;
    choice.why = everybody        ? "every face was asked for"
                 : people.empty() ? "nobody could be told apart"
                                  : "there is one person";
  } else if (reference && !people.empty()) {
    for (auto& p : people) p.chosen = p.distance < kSamePerson;
    // A little tolerance for the best one: light and age move an embedding.
    if (people[nearest].distance < 0.6f) people[nearest].chosen = true;
    choice.why = people[nearest].chosen
                     ? "nearest to the faces the subject has already"
                     : "nobody here looks like the faces the subject has already";
  } else if (!people.empty()) {
    people[order[0]].chosen = true;
    choice.why = "the person with most faces of " + std::to_string(people.size());
  }
  const bool everyone =
      std::all_of(people.begin(), people.end(), [](const auto& p) { return p.chosen; });
  for (int p : person)
    choice.keep.push_back(p >= 0 ? people[static_cast<size_t>(p)].chosen : everyone);
  for (size_t i : order) choice.people.push_back(people[i]);
  return choice;
}

TrackChoice choose_for_subject(const std::vector<project::TrackRow>& tracks,
                               const std::string& subject,
                               const std::optional<face::Embedding>& reference, bool everybody) {
  const auto named = [&](const project::TrackRow& t) {
    return !subject.empty() && t.subject == subject;
  };
  if (everybody || std::none_of(tracks.begin(), tracks.end(), named))
    return choose_tracks(tracks, reference, everybody);
  face::Embedding mean{};
  float weight = 0;
  for (const auto& t : tracks) {
    if (!named(t) || !has_embedding(t)) continue;
    const auto w = static_cast<float>(frames_of(t));
    weight += w;
    for (size_t k = 0; k < mean.size(); ++k) mean[k] += w * t.embedding[k];
  }
  for (float& v : mean) v /= std::max(1.0f, weight);
  if (weight == 0 && reference) {  // named by hand while no grant held the person's key
    mean = *reference;
    weight = 1;
  }
  TrackChoice choice =
      choose_tracks(tracks, weight > 0 ? std::optional(mean) : std::nullopt, false);
  for (size_t i = 0; i < tracks.size(); ++i) {
    const auto& t = tracks[i];
    choice.keep[i] = named(t) || (t.subject.empty() && weight > 0 && has_embedding(t) &&
                                  face::embedding_distance(t.embedding, mean) < kSamePerson);
  }
  choice.why = "its tracks are named";
  return choice;
}

namespace {
std::optional<face::Embedding> embedding_of(const project::Project& project,
                                            const std::string& subject) {
  std::error_code ec;
  const auto path = project.faceset_path(subject);
  if (!std::filesystem::exists(path, ec)) return std::nullopt;
  const auto set = faceset::Faceset::open(path);
  if (std::none_of(set.items().begin(), set.items().end(),
                   [](const auto& i) { return i.has_embedding; }))
    return std::nullopt;
  return faceset::mean_embedding(set);
}
}  // namespace

WhoseTracks tracks_of(const project::Project& project, int64_t media, const std::string& who) {
  const auto tracks = project.tracks(media);
  WhoseTracks out;
  if (!who.empty() && who.find_first_not_of("0123456789") == std::string::npos) {
    const int wanted = std::atoi(who.c_str());
    for (const auto& t : tracks)
      if (t.track == wanted) out.tracks.push_back(wanted);
    out.why = out.tracks.empty() ? "the clip has no such track" : "named";
    return out;
  }
  const bool everybody = who == "*";
  const TrackChoice c = choose_for_subject(
      tracks, who, everybody ? std::nullopt : embedding_of(project, who), everybody);
  for (size_t i = 0; i < tracks.size(); ++i)
    if (c.keep[i]) out.tracks.push_back(tracks[i].track);
  out.why = c.why;
  return out;
}

}  // namespace likeness::tasks
