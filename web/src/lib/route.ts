// SPDX-License-Identifier: Apache-2.0
// Addresses: /p/PROJECT/ROOM/ITEM?frame=12&… Everything that is looked at is in the address, so a
// reload, a bookmark and the back button bring it back.

export const kRooms = ['projects', 'media', 'faces', 'train', 'swap', 'voice', 'consent', 'outputs', 'jobs', 'doctor'] as const;
export type Room = (typeof kRooms)[number];
/** Rooms that mean something without a project. */
export const kFreeRooms: readonly Room[] = ['projects', 'doctor'];

export interface Route {
  project: string | null;
  room: Room;
  /** Media, model, subject, output or job, by its id; '' = none chosen. */
  item: string;
  query: Record<string, string>;
}

const isRoom = (text: string | undefined): text is Room => (kRooms as readonly string[]).includes(text ?? '');

/** `decodeURIComponent` that takes anything. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parseRoute(path: string, search: string): Route {
  const parts = path.split('/').filter(Boolean).map(decode);
  const query = Object.fromEntries(new URLSearchParams(search));
  if (parts[0] === 'p' && parts[1]) {
    return { project: parts[1], room: isRoom(parts[2]) ? parts[2] : 'media', item: parts[3] ?? '', query };
  }
  return { project: null, room: parts[0] === 'doctor' ? 'doctor' : 'projects', item: '', query };
}

export function addressOf(route: Route): string {
  const search = new URLSearchParams(Object.entries(route.query).filter(([, v]) => v !== '')).toString();
  const path = route.project
    ? `/p/${encodeURIComponent(route.project)}/${route.room}${route.item ? `/${encodeURIComponent(route.item)}` : ''}`
    : route.room === 'projects' ? '/' : `/${route.room}`;
  return path + (search ? `?${search}` : '');
}
