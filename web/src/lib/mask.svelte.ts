// SPDX-License-Identifier: Apache-2.0
// The drawing over the mask while the Swap room is open: what is drawn, what is chosen, and every step
// back. The room keeps the closed polygons with its other settings.
import { coversFrame, kept, keptStroke, movedPoint, nextDrawn, replaced, stepBack, stepForth, stepped, withoutPoint, withPoint, type Drawing, type MaskPolygon, type PolygonKind, type Steps } from './polygons';
import type { Point } from './types';

export const [kLeastSize, kMostSize] = [0.002, 0.25];

export class MaskDrawing {
  drawing = $state.raw<Drawing>({ polygons: [], open: null });
  /** Index of the polygon, and of its point, that are worked on; -1: none. */
  chosen = $state(-1);
  point = $state(-1);
  /** What the brush does; null: there is no brush. */
  brush = $state<PolygonKind | null>(null);
  /** Radius of the brush, in widths of the picture. */
  size = $state(0.03);
  /** What is painted follows the face, or stands still in the frame. */
  brushOn = $state<MaskPolygon['on']>('face');
  /** The stroke that is painted now. */
  painted = $state.raw<MaskPolygon | null>(null);
  /** Is the mask that the renderer uses shown? */
  shown = $state(false);
  #steps: Steps = { past: [], future: [] };
  /** While a point is dragged everything is one step. */
  #dragged: Drawing | null = null;

  constructor(readonly onchange: (polygons: MaskPolygon[]) => void) {}

  get polygons() {
    return this.drawing.polygons;
  }
  get open() {
    return this.drawing.open;
  }

  load(polygons: MaskPolygon[]) {
    this.drawing = { polygons, open: null };
    this.#steps = { past: [], future: [] };
    this.#dragged = null;
    this.chosen = this.point = -1;
    this.painted = null;
  }

  /** Takes the brush, or puts it down when it does that already. */
  take(kind: PolygonKind | null) {
    if (this.open) this.leave();
    this.brush = this.brush === kind ? null : kind;
    this.painted = null;
    this.chosen = this.point = -1;
  }
  resize(by: number) {
    this.size = Math.min(kMostSize, Math.max(kLeastSize, this.size * by));
  }
  press(stroke: MaskPolygon) {
    this.painted = stroke;
  }
  paint(to: Point) {
    if (this.painted) this.painted = { ...this.painted, points: [...this.painted.points, to] };
  }
  /** The brush is lifted: one stroke, one step back. */
  lift() {
    const stroke = this.painted;
    this.painted = null;
    if (stroke) this.#do({ ...this.drawing, polygons: [...this.polygons, keptStroke(stroke)] });
  }

  begin(kind: PolygonKind, on: MaskPolygon['on'], first: number, last: number) {
    this.brush = null;
    this.#do({ ...this.drawing, open: { first, last, kind, on, points: [] } });
    this.chosen = this.point = -1;
  }
  /** On the face or the frame, before the first point. */
  lie(on: MaskPolygon['on']) {
    if (this.open?.points.length === 0) this.drawing = { ...this.drawing, open: { ...this.open, on } };
  }
  /** `track`: the face that the first point was set on. */
  add(to: Point, track?: number) {
    const open = this.open;
    if (!open) return;
    const bound = open.points.length === 0 && track !== undefined ? { track } : {};
    this.#do({ ...this.drawing, open: { ...open, ...bound, points: [...open.points, kept(to)] } });
  }
  close() {
    const open = this.open;
    if (!open) return;
    if (open.points.length < 3) return this.leave();
    this.#do({ polygons: [...this.polygons, open], open: null });
    this.chosen = this.polygons.length - 1;
  }
  leave() {
    if (this.open) this.#do({ ...this.drawing, open: null });
    else if (this.brush) this.take(null);
    else this.chosen = this.point = -1;
  }

  choose(index: number, point = -1) {
    this.chosen = index;
    this.point = point;
  }
  change(index: number, change: Partial<MaskPolygon>) {
    this.#do({ ...this.drawing, polygons: replaced(this.polygons, index, change) });
  }
  remove(index: number) {
    this.#do({ ...this.drawing, polygons: this.polygons.filter((_, i) => i !== index) });
    this.chosen = this.point = -1;
  }
  insert(index: number, after: number, to: Point) {
    this.change(index, { points: withPoint(this.polygons[index]!, after, kept(to)) });
    this.choose(index, after + 1);
  }
  removePoint() {
    const open = this.open;
    if (open) {
      if (open.points.length > 0) this.#do({ ...this.drawing, open: { ...open, points: open.points.slice(0, -1) } });
      return;
    }
    const polygon = this.polygons[this.chosen];
    if (!polygon) return;
    if (this.point < 0 || polygon.radius || polygon.points.length <= 3) return this.remove(this.chosen);
    this.change(this.chosen, { points: withoutPoint(polygon, this.point) });
    this.point = -1;
  }
  dragTo(index: number, at: number, to: Point) {
    this.#dragged ??= this.drawing;
    this.drawing = { ...this.drawing, polygons: replaced(this.polygons, index, { points: movedPoint(this.polygons[index]!, at, kept(to)) }) };
  }
  drop() {
    const before = this.#dragged;
    this.#dragged = null;
    if (!before) return;
    this.#steps = stepped(this.#steps, before);
    this.onchange(this.polygons);
  }
  get dragging() {
    return this.#dragged !== null;
  }

  /** False when there is nothing to go back to. */
  undo(): boolean {
    return this.#go(stepBack(this.#steps, this.drawing));
  }
  redo(): boolean {
    return this.#go(stepForth(this.#steps, this.drawing));
  }
  next(frame: number): number | null {
    return nextDrawn(this.polygons, frame);
  }
  here(frame: number) {
    return this.polygons.map((polygon, index) => ({ polygon, index })).filter(({ polygon }) => coversFrame(polygon, frame));
  }

  #do(next: Drawing) {
    this.#steps = stepped(this.#steps, this.drawing);
    const closed = next.polygons !== this.polygons;
    this.drawing = next;
    if (closed) this.onchange(next.polygons);
  }
  #go(to: { steps: Steps; drawing: Drawing } | null): boolean {
    if (!to) return false;
    this.#steps = to.steps;
    const closed = to.drawing.polygons !== this.polygons;
    this.drawing = to.drawing;
    this.chosen = this.point = -1;
    if (closed) this.onchange(this.polygons);
    return true;
  }
}
