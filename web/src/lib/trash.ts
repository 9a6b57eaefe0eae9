// SPDX-License-Identifier: Apache-2.0
import { ApiError, get, post } from './api';
import { store } from './store.svelte';
import type { TrashItem } from './types';

/** Brings a thing back. Without an id the newest thing of that name is meant. */
export async function restoreFromTrash(id: string, name: string): Promise<void> {
  const found = id || (await get<TrashItem[]>(`${store.base}/trash`)).reverse().find((t) => JSON.stringify(t).includes(name))?.id;
  if (!found) throw new ApiError(404, 'not_found', `${name} is not in the trash any more.`, 'It may have been restored already.');
  await post(`${store.base}/trash/${encodeURIComponent(found)}/restore`);
}
