// SPDX-License-Identifier: Apache-2.0
// The server's event stream. It is numbered; after a break the page asks for what it missed, and
// when that is not possible (another run of the server) everything is fetched anew.
import { startSession } from './api';

export interface ServerEvent {
  seq: number;
  type: string;
  project: string | null;
  [key: string]: unknown;
}

type Listener = (event: ServerEvent) => void;
const kSilenceS = 45;

class Events {
  /** false = shown as "connection lost"; the first connection does not count as lost. */
  connected = $state(true);
  retryAt = $state(0);
  #socket: WebSocket | null = null;
  #seq = 0;
  #boot = '';
  #failures = 0;
  #timer = 0;
  #watchdog = 0;
  #listeners = new Set<Listener>();

  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const url = new URL('/v1/events', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    if (this.#boot) {
      url.searchParams.set('from', String(this.#seq));
      url.searchParams.set('boot', this.#boot);
    }
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => this.#alive();
    socket.onmessage = (message) => this.#take(String(message.data));
    socket.onclose = () => this.#lost(socket);
    this.#alive();
  }

  #take(data: string) {
    this.#alive();
    const event = JSON.parse(data) as ServerEvent;
    if (event.type === 'hello') {
      const other = this.#boot !== '' && this.#boot !== event.boot;
      if (this.#boot === '' || other) this.#seq = event.seq;
      this.#boot = String(event.boot);
      const wasLost = !this.connected;
      this.connected = true;
      this.#failures = 0;
      if (other) this.#tell({ ...event, type: 'reset' });
      else if (wasLost) this.#tell({ ...event, type: 'reconnected' });
      return;
    }
    if (event.seq > 0) this.#seq = Math.max(this.#seq, event.seq);
    if (event.type !== 'ping') this.#tell(event);
  }

  #tell(event: ServerEvent) {
    for (const listener of this.#listeners) listener(event);
  }

  #alive() {
    clearTimeout(this.#watchdog);
    this.#watchdog = window.setTimeout(() => this.#socket?.close(), kSilenceS * 1000);
  }

  #lost(socket: WebSocket) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    clearTimeout(this.#watchdog);
    this.connected = false;
    const wait_ms = Math.min(5000, 300 * 1.7 ** this.#failures++);
    this.retryAt = Date.now() + wait_ms;
    this.#timer = window.setTimeout(() => void this.retry(), wait_ms);
  }

  /** Also what the button of the "connection lost" strip does. */
  async retry() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    try {
      // A server that was started again has another CSRF word; the cookie may still be good.
      await startSession();
    } catch {
      // The socket says by itself whether anybody is there.
    }
    this.start();
  }
}

export const events = new Events();
