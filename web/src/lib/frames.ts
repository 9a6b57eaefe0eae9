// SPDX-License-Identifier: Apache-2.0
// Frame pictures for the scrubber: one request at a time, only the newest wish is kept, neighbours are
// fetched when nothing is wanted. So dragging shows pictures as fast as the server makes them, and
// never works off a queue of old positions.
import { isAbort, request } from './api';

const kCacheBytes = 192 << 20;
const kPrefetch = 8;

export interface FrameSource {
  /** Address of the picture of frame `n`. */
  url: (n: number) => string;
  frames: number;
}

export class FrameLoader {
  #cache = new Map<number, ImageBitmap>();
  #bytes = 0;
  #wanted: number | null = null;
  #loading: { frame: number; abort: AbortController; speculative: boolean } | null = null;
  #last = 0;
  #direction = 1;
  #closed = false;

  constructor(
    readonly source: FrameSource,
    readonly onFrame: (frame: number, picture: ImageBitmap) => void,
    readonly onError: (error: unknown) => void,
  ) {}

  /** Asks for a frame; `onFrame` follows, at once when it is known. */
  want(frame: number) {
    if (frame !== this.#last) this.#direction = frame > this.#last ? 1 : -1;
    this.#last = frame;
    const known = this.#touch(frame);
    this.#wanted = known ? null : frame;
    if (known) this.onFrame(frame, known);
    // A neighbour fetched in advance must not delay what is looked at now.
    if (!known && this.#loading?.speculative && this.#loading.frame !== frame) this.#loading.abort.abort();
    void this.#work();
  }

  close() {
    this.#closed = true;
    this.#loading?.abort.abort();
    for (const picture of this.#cache.values()) picture.close();
    this.#cache.clear();
  }

  #touch(frame: number): ImageBitmap | undefined {
    const picture = this.#cache.get(frame);
    if (picture) {
      this.#cache.delete(frame);
      this.#cache.set(frame, picture);
    }
    return picture;
  }

  #nextGuess(): number | null {
    for (let i = 1; i <= kPrefetch; i++) {
      const n = this.#last + i * this.#direction;
      if (n >= 0 && n < this.source.frames && !this.#cache.has(n)) return n;
    }
    return null;
  }

  async #work() {
    if (this.#loading || this.#closed) return;
    const speculative = this.#wanted === null;
    const frame = this.#wanted ?? this.#nextGuess();
    if (frame === null) return;
    const abort = new AbortController();
    this.#loading = { frame, abort, speculative };
    let failed = false;
    try {
      const response = await request(this.source.url(frame), { signal: abort.signal });
      const picture = await createImageBitmap(await response.blob());
      if (this.#closed) return picture.close();
      this.#keep(frame, picture);
      // While dragging, a picture on the way to the newest wish is better than none. But when the newest
      // one is shown already (it was known), a late older one must not cover it.
      const waiting = this.#wanted !== null;
      if (this.#wanted === frame) this.#wanted = null;
      if (frame === this.#last || (waiting && !speculative)) this.onFrame(frame, picture);
    } catch (error) {
      failed = !isAbort(error);
      if (failed && this.#wanted === frame) this.#wanted = null;
      if (failed && !speculative && !this.#closed) this.onError(error);
    } finally {
      this.#loading = null;
    }
    if (!failed || this.#wanted !== null) void this.#work();
  }

  #keep(frame: number, picture: ImageBitmap) {
    this.#cache.set(frame, picture);
    this.#bytes += picture.width * picture.height * 4;
    for (const [n, old] of this.#cache) {
      if (this.#bytes <= kCacheBytes || n === frame) break;
      this.#cache.delete(n);
      this.#bytes -= old.width * old.height * 4;
      old.close();
    }
  }
}
