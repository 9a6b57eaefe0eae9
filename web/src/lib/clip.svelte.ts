// SPDX-License-Identifier: Apache-2.0
// The clip a room looks at: its transport, tied to the address and to the in and out points that the
// project keeps.
import { untrack } from 'svelte';
import { router } from './router.svelte';
import { store } from './store.svelte';
import { Transport } from './transport.svelte';
import type { Media } from './types';

export const mediaBase = (id: number | string) => `${store.base}/media/${encodeURIComponent(String(id))}`;
export const frameUrlOf = (id: number | string) => {
  const base = mediaBase(id);
  return (frame: number, width: number) => `${base}/frame/${frame}?width=${width}`;
};

/** Call while a component starts. `media` gives the clip that is looked at. */
export function followClip(media: () => Media | undefined) {
  // A clip is looked at anew when it is another one, not when the server says more about it.
  const key = $derived.by(() => {
    const m = media();
    return m ? `${m.id} ${m.frames} ${m.fps}` : '';
  });
  const transport = $derived.by(() => {
    if (!key) return null;
    return untrack(() => {
      const m = media()!;
      const t = new Transport(m.frames, m.fps, Number(router.route.query.frame ?? 0));
      const marks = store.ui.marks?.[String(m.id)];
      t.in = marks?.in ?? null;
      t.out = marks?.out ?? null;
      t.onmarks = () => store.keep({ marks: { ...store.ui.marks, [String(m.id)]: { in: t.in, out: t.out } } });
      return t;
    });
  });
  $effect(() => {
    if (transport) {
      const frame = transport.frame;
      untrack(() => String(frame) !== (router.route.query.frame ?? '0') && router.query({ frame }));
    }
  });
  // Back and forward, and links to a frame.
  $effect(() => {
    const asked = Number(router.route.query.frame ?? 0);
    untrack(() => transport && transport.rate === 0 && !transport.dragging && asked !== transport.frame && transport.seek(asked));
  });
  return {
    get transport() {
      return transport;
    },
  };
}
