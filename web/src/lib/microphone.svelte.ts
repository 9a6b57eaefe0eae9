// SPDX-License-Identifier: Apache-2.0
// Microphone and loudspeaker of this computer as samples. Nothing leaves the page from here.
import worklet from '../worklets/sound.js?url';
import { ApiError } from './api';
import { wav } from './wav';

export interface SoundStats {
  queued_s: number;
  gaps: number;
  dropped: number;
  peak: number;
}
interface Settings {
  /** 0: what the microphone gives. */
  rate_hz?: number;
  /** Samples of a block. */
  block: number;
  wait_s?: number;
  most_s?: number;
  microphone?: string;
  loudspeaker?: string;
}

export async function devices(kind: 'audioinput' | 'audiooutput'): Promise<MediaDeviceInfo[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((d) => d.kind === kind && d.deviceId !== '');
}
export const canChooseLoudspeaker = typeof AudioContext !== 'undefined' && 'setSinkId' in AudioContext.prototype;

export class Microphone {
  open = $state(false);
  recording = $state(false);
  seconds = $state(0);
  /** Loudest sample of the last tenth of a second, falling slowly. */
  peak = $state(0);
  out = $state.raw<SoundStats>({ queued_s: 0, gaps: 0, dropped: 0, peak: 0 });
  rate_hz = 0;
  /** Between a sound and when the page has it, and back out. */
  latency_s = 0;
  onblock: ((block: Float32Array) => void) | null = null;
  #stream: MediaStream | null = null;
  #context: AudioContext | null = null;
  #node: AudioWorkletNode | null = null;
  #blocks: Float32Array[] = [];

  async start(settings: Settings) {
    await this.close();
    if (!navigator.mediaDevices?.getUserMedia || typeof AudioWorkletNode === 'undefined')
      throw new ApiError(0, 'unsupported', 'This browser cannot record.', 'Use another browser; the page must be on 127.0.0.1 or https.');
    const { microphone, rate_hz, loudspeaker } = settings;
    try {
      // As it is: what would please a telephone falsifies a voice.
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, ...(microphone ? { deviceId: { exact: microphone } } : {}) } });
    } catch (error) {
      const denied = error instanceof DOMException && error.name === 'NotAllowedError';
      throw new ApiError(0, 'microphone', denied ? 'The browser was not allowed to use the microphone.' : 'No microphone was found.', denied ? 'Allow the microphone for this page and try again.' : 'Connect one and try again.');
    }
    try {
      const context = new AudioContext({ latencyHint: 'interactive', ...(rate_hz ? { sampleRate: rate_hz } : {}) });
      this.#context = context;
      await context.audioWorklet.addModule(worklet);
      const node = new AudioWorkletNode(context, 'likeness-sound', { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1], channelCount: 1, channelCountMode: 'explicit', processorOptions: { block: settings.block, wait_s: settings.wait_s ?? 0, most_s: settings.most_s ?? 0 } });
      context.createMediaStreamSource(this.#stream).connect(node).connect(context.destination);
      node.port.onmessage = ({ data }) => this.#take(data);
      this.#node = node;
      if (loudspeaker && canChooseLoudspeaker) await (context as unknown as { setSinkId(id: string): Promise<void> }).setSinkId(loudspeaker);
      await context.resume();
      this.rate_hz = context.sampleRate;
      this.latency_s = (context.baseLatency || 0) + (context.outputLatency || 0) + settings.block / context.sampleRate;
    } catch (error) {
      await this.close();
      throw new ApiError(0, 'sound', 'The sound of this computer cannot be used.', error instanceof Error ? `${error.message}. Try another device or browser.` : 'Try another device or browser.');
    }
    for (const track of this.#stream.getAudioTracks()) track.onended = () => void this.close();
    this.open = true;
  }

  #take(data: { heard?: ArrayBuffer } & Partial<SoundStats>) {
    if (!data.heard) return void (this.out = data as SoundStats);
    const block = new Float32Array(data.heard);
    let peak = 0;
    for (const x of block) peak = Math.max(peak, Math.abs(x));
    this.peak = Math.max(peak, this.peak * 0.85);
    if (this.recording) {
      this.#blocks.push(block);
      this.seconds += block.length / this.rate_hz;
    }
    this.onblock?.(block);
  }

  /** Sound to be heard. */
  play(sound: ArrayBuffer) {
    this.#node?.port.postMessage(sound, [sound]);
  }
  mute(off: boolean) {
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !off;
  }
  record() {
    this.#blocks = [];
    this.seconds = 0;
    this.recording = this.open;
  }
  /** What was heard since record(). */
  stop(): Blob {
    this.recording = false;
    return wav(this.#blocks, this.rate_hz);
  }
  async close() {
    this.open = this.recording = false;
    this.peak = 0;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    const context = this.#context;
    this.#stream = this.#context = this.#node = null;
    await context?.close().catch(() => undefined);
  }
}
