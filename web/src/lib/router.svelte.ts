// SPDX-License-Identifier: Apache-2.0
// The address as state. Looking around adds to the history; scrubbing replaces the entry.
import { addressOf, parseRoute, type Room, type Route } from './route';

class Router {
  route = $state<Route>(parseRoute(location.pathname, location.search));
  #timer = 0;

  constructor() {
    addEventListener('popstate', () => (this.route = parseRoute(location.pathname, location.search)));
  }

  get address() {
    return addressOf(this.route);
  }

  go(to: Partial<Route>, replace = false) {
    this.#flush();
    const room = to.room ?? this.route.room;
    const item = to.item ?? (to.room && to.room !== this.route.room ? '' : this.route.item);
    const query = to.query ?? (to.room || to.item !== undefined ? {} : this.route.query);
    this.route = { project: to.project === undefined ? this.route.project : to.project, room, item, query };
    history[replace ? 'replaceState' : 'pushState'](null, '', this.address);
  }

  openAddress(address: string, replace = false) {
    const url = new URL(address, location.origin);
    this.go(parseRoute(url.pathname, url.search), replace);
  }

  /** Changes the query in place. The address bar follows at most five times a second: browsers limit it. */
  query(change: Record<string, string | number | null>) {
    const query = { ...this.route.query };
    for (const [key, value] of Object.entries(change)) {
      if (value === null || value === '') delete query[key];
      else query[key] = String(value);
    }
    this.route.query = query;
    if (!this.#timer) this.#timer = window.setTimeout(() => this.#flush(), 200);
  }

  #flush() {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    history.replaceState(null, '', this.address);
  }
}

export const router = new Router();
export const go = (room: Room, item = '', query: Record<string, string> = {}) => router.go({ room, item, query });
