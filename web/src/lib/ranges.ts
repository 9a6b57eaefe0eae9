// SPDX-License-Identifier: Apache-2.0
// Other settings in ranges of frames. Ranges are sorted and do not overlap.
import type { RangeOptions } from './types';

/**
 * What is edited now holds in all following frames: a range (`editing`) reaches to the end of the clip and those after it go;
 * with the whole clip edited (-1) every range ends before `frame`.
 */
export function followed(ranges: RangeOptions[], editing: number, frame: number, frames: number): RangeOptions[] {
  const range = ranges[editing];
  if (range) return [...ranges.filter((r) => r.first < range.first), { ...range, last: frames - 1 }];
  return ranges.filter((r) => r.first < frame).map((r) => ({ ...r, last: Math.min(r.last, frame - 1) }));
}
