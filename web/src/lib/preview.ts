// SPDX-License-Identifier: Apache-2.0
// Swapped frames for the Swap room. Only the newest wish counts: an older request is aborted, and the
// server drops it too. Small pictures while something is dragged, large ones when it rests.
import { ApiError, isAbort, request } from './api';
import type { Values } from './types';

export interface PreviewWish {
  url: string;
  body: Values;
}

export interface PreviewResult {
  picture: ImageBitmap;
  faces: number;
  why: string;
  ms: number;
}

const kSettle_ms = 140;

export class PreviewLoader {
  #abort: AbortController | null = null;
  #timer = 0;
  #key = '';

  constructor(
    readonly onResult: (result: PreviewResult, wish: PreviewWish) => void,
    readonly onError: (error: unknown) => void,
    readonly onBusy: (busy: boolean) => void,
  ) {}

  /** `settled`: nothing is being dragged, so the request waits a moment for the last change. */
  want(wish: PreviewWish, settled: boolean) {
    const key = JSON.stringify(wish);
    if (key === this.#key) return;
    this.#key = key;
    clearTimeout(this.#timer);
    this.onBusy(true);  // from the wish on: what rests shows what was asked for
    // While dragging a request on its way may finish: a late picture is better than none.
    if (!settled && this.#abort) {
      this.#waitFor(wish, key, 30);
      return;
    }
    this.#waitFor(wish, key, settled ? kSettle_ms : 0);
  }

  #waitFor(wish: PreviewWish, key: string, ms: number) {
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      void this.#send(wish, key);
    }, ms);
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#abort?.abort();
    this.#key = '';
  }

  async #send(wish: PreviewWish, key: string) {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const start = performance.now();
    try {
      const response = await request(wish.url, { method: 'POST', body: wish.body, signal: abort.signal });
      const picture = await createImageBitmap(await response.blob());
      if (abort.signal.aborted) return picture.close();
      const why = response.headers.get('X-Likeness-Why') ?? '';
      this.onResult({ picture, faces: Number(response.headers.get('X-Likeness-Faces') ?? 0), why, ms: performance.now() - start }, wish);
    } catch (error) {
      // The server drops a waiting request when a newer one comes.
      if (isAbort(error) || (error instanceof ApiError && error.code === 'cancelled')) return;
      if (this.#key === key) this.#key = '';
      this.onError(error);
    } finally {
      if (this.#abort === abort) {
        this.#abort = null;
        if (this.#timer === 0) this.onBusy(false);
      }
    }
  }
}
