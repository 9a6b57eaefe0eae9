// SPDX-License-Identifier: Apache-2.0
// Speaking in a voice while one speaks: microphone -> program -> loudspeaker. One stream in a page; it goes on while other
// rooms are looked at, and a closed tab ends it in order (docs/api.md, "Live voice").
import { ApiError, explain } from './api';
import { Microphone } from './microphone.svelte';
import { store } from './store.svelte';
import type { ErrorBody, Values } from './types';
import { pcm16 } from './wav';

export interface LiveReport {
  output?: string;
  duration_s: number;
  latency_ms: number;
  late: number;
  pieces: number;
  rehearsal?: boolean;
  warnings: string[];
  dropped: number;
}
interface Stats {
  heard_s: number;
  waiting_ms: number;
  computing_ms: number;
  behind_ms: number;
  pieces: number;
  late: number;
}
interface Machine {
  cpu_pct: number;
  cores: number;
  memory_mb: number;
  disk_free: number;
  dropped: number;
}
type Phase = 'off' | 'starting' | 'on' | 'ending';

/** The program's rate and piece. */
const kRate_hz = 24000;
const kPiece = 256;

class Live {
  phase = $state<Phase>('off');
  voice = $state('');
  rehearsal = $state(false);
  muted = $state(false);
  stats = $state.raw<Stats | null>(null);
  machine = $state.raw<Machine | null>(null);
  report = $state.raw<LiveReport | null>(null);
  problem = $state.raw<ErrorBody | null>(null);
  readonly sound = new Microphone();
  #socket: WebSocket | null = null;
  #ended: (() => void) | null = null;

  /** From a sound at the microphone to the same at the loudspeaker. */
  get latency_ms() {
    return this.stats ? this.stats.waiting_ms + this.stats.behind_ms + 1000 * (this.sound.out.queued_s + this.sound.latency_s) : 0;
  }

  async start(wanted: { voice: string; rehearsal: boolean; options: Values; microphone: string; loudspeaker: string }) {
    if (this.phase === 'on' && this.rehearsal && !wanted.rehearsal) await this.stop();
    if (this.phase !== 'off') return;
    this.phase = 'starting';
    this.voice = wanted.voice;
    this.rehearsal = wanted.rehearsal;
    this.muted = false;
    this.stats = this.machine = this.report = this.problem = null;
    try {
      await this.sound.start({ rate_hz: kRate_hz, block: kPiece, wait_s: 0.08, most_s: 0.25, microphone: wanted.microphone, loudspeaker: wanted.loudspeaker });
    } catch (error) {
      this.problem = explain(error);
      this.phase = 'off';
      return;
    }
    const url = new URL(`${store.base}/live`, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send(JSON.stringify({ voice: wanted.voice, rehearsal: wanted.rehearsal, options: wanted.options }));
    socket.onmessage = ({ data }) => (typeof data === 'string' ? this.#told(JSON.parse(data)) : this.sound.play(data as ArrayBuffer));
    socket.onclose = () => this.#over(new ApiError(0, 'offline', 'The stream broke off.', 'What was said until then is kept when it was on air: see Outputs.'));
    this.sound.onblock = (block) => {
      if (this.phase === 'on' && socket.readyState === WebSocket.OPEN) socket.send(pcm16(block));
    };
  }

  /** Resolves when the take is finished and kept. */
  async stop() {
    if (this.phase !== 'on' && this.phase !== 'starting') return;
    const before = this.phase;
    this.phase = 'ending';
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    if (before === 'on' && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"stop"}');
    else this.#socket?.close();
    await ended;
  }

  mute(off = !this.muted) {
    this.muted = off;
    this.sound.mute(off);
  }

  #told(message: { type: string; error?: ErrorBody; report?: LiveReport; dropped?: number } & Record<string, unknown>) {
    if (message.type === 'ready' && this.phase === 'starting') this.phase = 'on';
    else if (message.type === 'stats') this.stats = message as unknown as Stats;
    else if (message.type === 'machine') this.machine = message as unknown as Machine;
    else if (message.type === 'done') {
      this.report = { ...message.report!, dropped: message.dropped ?? 0 };
      this.#over(null);
    } else if (message.type === 'error') this.#over(new ApiError(0, message.error!.code, message.error!.what, message.error!.hint));
  }

  #over(error: ApiError | null) {
    if (!this.#socket) return;
    const asked = this.phase === 'ending' && this.report === null && error?.code === 'offline';
    if (error && !asked) this.problem = explain(error);
    const socket = this.#socket;
    this.#socket = null;
    this.sound.onblock = null;
    socket.close();
    void this.sound.close();
    this.phase = 'off';
    this.#ended?.();
    this.#ended = null;
    store.refresh('outputs');
  }
}

export const live = new Live();
