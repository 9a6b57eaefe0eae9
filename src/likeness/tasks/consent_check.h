// SPDX-License-Identifier: Apache-2.0
// What the runner asks beyond the records: is the material the person who agreed?
#pragma once

#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {

/// Every person's faceset must show the face that the consent was given with. Throws kRefused
/// (consent-other-face), kDamaged.
void check_material(const project::Project& project, const trust::Grant& grant);

/// Footage that goes in is looked at, at least one frame a second. What was found clean once (the
/// signed ledger says so) is not looked at again. Throws kRefused (content-sexual), kMissing.
void check_footage(const project::Project& project, const trust::Grant& grant,
                   const std::vector<trust::Input>& inputs, Progress& progress,
                   const Cancel& cancel);

/// Keys for looking at a faceset; nothing for subjects that are not persons. Throws kRefused after
/// a revocation. Keep it while the faceset is read or written.
trust::Grant unlock_faceset(const project::Project& project, const std::string& subject);

/// Faces of a clip with their landmarks, where the keys of the persons in it can be had; the others
/// have none (Face::has_points). The keys stay open while it lives.
class UnlockedFaces {
 public:
  UnlockedFaces(const project::Project& project, int64_t media, FrameIndex begin, FrameIndex end);
  std::vector<face::Face> faces;

 private:
  std::vector<trust::Grant> grants_;
};

}  // namespace likeness::tasks
