// SPDX-License-Identifier: Apache-2.0
// Where in a clip the viewer stands, and how it moves: J K L, steps, loop, in and out points.
import { clamp } from './format';
import type { Key } from './keys.svelte';

export class Transport {
  frame = $state(0);
  /** 0 = standing; 1, 2, 4 … forwards; negative backwards. */
  rate = $state(0);
  loop = $state(false);
  dragging = $state(false);
  in = $state<number | null>(null);
  out = $state<number | null>(null);
  onmarks: (() => void) | null = null;

  constructor(
    readonly frames: number,
    readonly fps: number,
    frame = 0,
  ) {
    this.frame = clamp(Math.round(frame) || 0, 0, Math.max(0, frames - 1));
  }

  get first() {
    return this.in ?? 0;
  }
  get last() {
    return this.out ?? Math.max(0, this.frames - 1);
  }

  seek(frame: number) {
    this.frame = clamp(Math.round(frame), 0, Math.max(0, this.frames - 1));
  }
  step(by: number) {
    this.rate = 0;
    this.seek(this.frame + by);
  }
  toggle() {
    this.play(this.rate === 0 ? 1 : 0);
  }
  play(rate: number) {
    if (rate > 0 && this.frame >= this.last) this.seek(this.first);
    this.rate = rate;
  }
  /** L and J: again = twice as fast; against the direction = stop first. */
  shuttle(sign: 1 | -1) {
    if (this.rate !== 0 && Math.sign(this.rate) !== sign) this.rate = 0;
    else this.play(this.rate === 0 ? sign : clamp(this.rate * 2, -8, 8));
  }
  /** Says what to do at the end of the range while playing. */
  arrived(): 'stop' | 'again' | null {
    if (this.rate > 0 && this.frame >= this.last) return this.loop ? 'again' : 'stop';
    if (this.rate < 0 && this.frame <= this.first) return this.loop ? 'again' : 'stop';
    return null;
  }
  mark(which: 'in' | 'out', at: number | null = this.frame) {
    this[which] = at;
    if (this.in !== null && this.out !== null && this.in > this.out) this[which === 'in' ? 'out' : 'in'] = null;
    this.onmarks?.();
  }
  clearMarks() {
    this.in = this.out = null;
    this.onmarks?.();
  }

  keys(): Key[] {
    return [
      { keys: [' '], label: 'Play or stop', run: () => this.toggle() },
      { keys: ['l'], label: 'Play, again = faster', run: () => this.shuttle(1) },
      { keys: ['j'], label: 'Backwards, again = faster', run: () => this.shuttle(-1) },
      { keys: ['k'], label: 'Stop', run: () => this.play(0) },
      { keys: ['ArrowRight'], label: 'Next frame', run: () => this.step(1) },
      { keys: ['ArrowLeft'], label: 'Previous frame', run: () => this.step(-1) },
      { keys: ['Shift+ArrowRight'], label: 'Ten frames on', run: () => this.step(10) },
      { keys: ['Shift+ArrowLeft'], label: 'Ten frames back', run: () => this.step(-10) },
      { keys: ['Home'], label: 'First frame', run: () => this.step(-this.frames) },
      { keys: ['End'], label: 'Last frame', run: () => this.step(this.frames) },
      { keys: ['i'], label: 'In point here', run: () => this.mark('in') },
      { keys: ['o'], label: 'Out point here', run: () => this.mark('out') },
      { keys: ['Shift+i'], label: 'Go to the in point', run: () => this.seek(this.first) },
      { keys: ['Shift+o'], label: 'Go to the out point', run: () => this.seek(this.last) },
      { keys: ['Alt+x'], label: 'Remove in and out points', run: () => this.clearMarks() },
      { keys: ['Ctrl+l'], label: 'Loop', run: () => (this.loop = !this.loop) },
    ];
  }
}
