// SPDX-License-Identifier: Apache-2.0
// Files on their way into the project. They go one after the other; other rooms can be visited meanwhile.
import { explain, finishUpload, isAbort, upload } from './api';
import { store } from './store.svelte';
import type { ErrorBody, Media } from './types';

export interface Upload {
  id: number;
  name: string;
  bytes: number;
  share: number;
  state: 'waiting' | 'sending' | 'checking' | 'done' | 'failed';
  error: ErrorBody | null;
}

class Uploads {
  list = $state<Upload[]>([]);
  #files = new Map<number, { file: File; abort: AbortController; project: string }>();
  #next = 1;
  #busy = false;

  add(files: Iterable<File>): void {
    const project = store.project?.id;
    if (!project) return;
    for (const file of files) {
      const id = this.#next++;
      this.#files.set(id, { file, abort: new AbortController(), project });
      this.list.push({ id, name: file.name, bytes: file.size, share: 0, state: 'waiting', error: null });
    }
    void this.#work();
  }
  cancel(id: number) {
    this.#files.get(id)?.abort.abort();
    this.dismiss(id);
  }
  retry(id: number) {
    const file = this.#files.get(id)?.file;
    this.dismiss(id);
    if (file) this.add([file]);
  }
  dismiss(id: number) {
    this.list = this.list.filter((u) => u.id !== id);
    this.#files.delete(id);
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#waiting(); next; next = this.#waiting()) await this.#send(next);
    this.#busy = false;
  }
  #waiting() {
    return this.list.find((u) => u.state === 'waiting');
  }
  async #send(item: Upload) {
    const job = this.#files.get(item.id)!;
    item.state = 'sending';
    try {
      const id = await upload(job.project, job.file, item.name, (share) => (item.share = share), job.abort.signal);
      item.state = 'checking';
      const media = await finishUpload<Media>(job.project, id, job.abort.signal);
      if (store.project?.id === job.project) store.upsertMedia(media);
      item.state = 'done';
      this.dismiss(item.id);
    } catch (error) {
      if (isAbort(error)) return;
      item.state = 'failed';
      item.error = explain(error);
    }
  }
}

export const uploads = new Uploads();
