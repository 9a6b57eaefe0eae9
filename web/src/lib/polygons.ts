// SPDX-License-Identifier: Apache-2.0
// What is drawn over the mask of a swap: polygons, and strokes of a round brush. On a face their points lie in the unit square of the aligned
// face, so that they follow the head; on the frame in units of its width and height. Everything here is
// pure: what is done gives a new list, and the lists of before are what undo goes back to.
import type { Point } from './types';

export type PolygonKind = 'exclude' | 'include' | 'erase';
export interface MaskPolygon {
  first: number;
  last: number;
  kind: PolygonKind;
  on: 'face' | 'frame';
  /** The face it lies on. */
  track?: number;
  /** Of a stroke; a polygon has none. In the unit of the points, on the frame of its width. */
  radius?: number;
  /** Corners, or the path of a stroke. */
  points: Point[];
}
/** What is drawn: closed ones, and the one that gets its points now. */
export interface Drawing {
  polygons: MaskPolygon[];
  open: MaskPolygon | null;
}
/** [a, b, c, d, e, f]: x' = a x + b y + c, y' = d x + e y + f. */
export type Affine = [number, number, number, number, number, number];

const kMostSteps = 200;
export const kMostPathPoints = 1000;
const kDigits = 1e4;

export const apply = ([a, b, c, d, e, f]: Affine, [x, y]: Point): Point => [a * x + b * y + c, d * x + e * y + f];

export function inverse([a, b, c, d, e, f]: Affine): Affine | null {
  const det = a * e - b * d;
  if (!Number.isFinite(1 / det)) return null;
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

/** Where a polygon's points are kept, as a map from pixels of the frame; null: that face is not here. */
export function keptFromFrame(polygon: Pick<MaskPolygon, 'on' | 'track'>, faces: { track: number; face_from_frame?: number[] | null }[], width: number, height: number): Affine | null {
  if (polygon.on === 'frame') return [1 / width, 0, 0, 0, 1 / height, 0];
  const face = faces.find((f) => polygon.track === undefined || f.track === polygon.track);
  return face?.face_from_frame?.length === 6 ? (face.face_from_frame as Affine) : null;
}

/** How much longer a map makes things. */
export const scaleOf = ([a, b, , d, e]: Affine) => Math.sqrt(Math.abs(a * e - b * d));
/** Radius of a stroke in pixels of the frame, `there` from where it is kept. */
export const pixelRadius = (p: Pick<MaskPolygon, 'on' | 'radius'>, there: Affine, width: number) => (p.radius ?? 0) * (p.on === 'frame' ? width : scaleOf(there));
export const keptRadius = (on: MaskPolygon['on'], pixels: number, to: Affine, width: number) => Math.max(1e-4, Math.round((on === 'frame' ? pixels / width : pixels * scaleOf(to)) * kDigits) / kDigits);

/** A path without the points that are nearer than `tolerance` to what is left (Ramer, Douglas and Peucker). */
export function simplified(path: Point[], tolerance: number): Point[] {
  const first = path[0];
  const last = path.at(-1);
  if (!first || !last || path.length < 3) return path;
  const [dx, dy] = [last[0] - first[0], last[1] - first[1]];
  const along = dx * dx + dy * dy;
  let [at, most] = [0, tolerance];
  path.forEach(([x, y], i) => {
    const t = along > 0 ? Math.min(1, Math.max(0, ((x - first[0]) * dx + (y - first[1]) * dy) / along)) : 0;
    const away = Math.hypot(x - first[0] - t * dx, y - first[1] - t * dy);
    if (away > most) [at, most] = [i, away];
  });
  if (at === 0) return [first, last];
  return [...simplified(path.slice(0, at + 1), tolerance).slice(0, -1), ...simplified(path.slice(at), tolerance)];
}
/** A stroke as it is kept: its path off by a twentieth of the brush at most, and no longer than the program takes. */
export function keptStroke(p: MaskPolygon): MaskPolygon {
  let points = p.points;
  for (let part = 20; points.length > 2 && (part === 20 || points.length > kMostPathPoints); part /= 2) points = simplified(p.points, (p.radius ?? 0) / part);
  return { ...p, points: points.map(kept) };
}

/** A point as it is kept: short, and inside what the program takes. */
export const kept = ([x, y]: Point): Point => [x, y].map((n) => Math.round(Math.min(16, Math.max(-16, n)) * kDigits) / kDigits) as Point;

export const replaced = (list: MaskPolygon[], index: number, change: Partial<MaskPolygon>): MaskPolygon[] => list.map((p, i) => (i === index ? { ...p, ...change } : p));
export const movedPoint = (p: MaskPolygon, at: number, to: Point): Point[] => p.points.map((old, i) => (i === at ? to : old));
export const withPoint = (p: MaskPolygon, after: number, to: Point): Point[] => [...p.points.slice(0, after + 1), to, ...p.points.slice(after + 1)];
export const withoutPoint = (p: MaskPolygon, at: number): Point[] => p.points.filter((_, i) => i !== at);

export const coversFrame = (p: MaskPolygon, frame: number): boolean => p.first <= frame && frame <= p.last;

/** The first frame of the next range in which something is drawn; after the last comes the first. */
export function nextDrawn(polygons: MaskPolygon[], frame: number): number | null {
  const starts = [...new Set(polygons.map((p) => p.first))].sort((a, b) => a - b);
  return starts.find((f) => f > frame) ?? starts[0] ?? null;
}

/** Steps back and forth, point by point. */
export interface Steps {
  past: Drawing[];
  future: Drawing[];
}
export const stepped = (steps: Steps, before: Drawing): Steps => ({ past: [...steps.past.slice(1 - kMostSteps), before], future: [] });
export function stepBack(steps: Steps, now: Drawing): { steps: Steps; drawing: Drawing } | null {
  const drawing = steps.past.at(-1);
  return drawing ? { drawing, steps: { past: steps.past.slice(0, -1), future: [...steps.future, now] } } : null;
}
export function stepForth(steps: Steps, now: Drawing): { steps: Steps; drawing: Drawing } | null {
  const drawing = steps.future.at(-1);
  return drawing ? { drawing, steps: { past: [...steps.past, now], future: steps.future.slice(0, -1) } } : null;
}
