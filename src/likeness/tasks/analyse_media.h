// SPDX-License-Identifier: Apache-2.0
// A clip becomes known to the project: its faces and tracks in the database.
#pragma once

#include "likeness/face/video_analysis.h"
#include "likeness/tasks/clip_ranges.h"
#include "likeness/tasks/task.h"

namespace likeness::tasks {

/// Makes a clip known to the project: analyses it unless that was done (with these options, when
/// `same_options`). Gives the media row. The clip's tracks keep their subjects when nothing is
/// done. Ranges of a long clip are kept in `run.work` until the job is done; memory use does not
/// depend on the length.
project::MediaRow analyse_media(Run& run, const trust::Input& input,
                                const face::AnalysisOptions& options, bool same_options, bool again,
                                FrameIndex range_frames = kRangeFrames);

}  // namespace likeness::tasks
