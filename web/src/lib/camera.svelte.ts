// SPDX-License-Identifier: Apache-2.0
// Recording a statement from the camera and microphone of this computer. Nothing leaves the page
// before "use this recording" is pressed.
import { ApiError } from './api';

export class Camera {
  stream = $state.raw<MediaStream | null>(null);
  recording = $state(false);
  seconds = $state(0);
  result = $state.raw<{ blob: Blob; url: string } | null>(null);
  #recorder: MediaRecorder | null = null;
  #timer = 0;

  async open() {
    if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === 'undefined') {
      throw new ApiError(0, 'unsupported', 'This browser cannot record.', 'Record a video elsewhere and choose its file below.');
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } }, audio: true });
    } catch (error) {
      const denied = error instanceof DOMException && error.name === 'NotAllowedError';
      throw new ApiError(0, 'camera', denied ? 'The browser was not allowed to use the camera.' : 'No camera and microphone were found.', denied ? 'Allow camera and microphone for this page, or choose a video file.' : 'Connect them and try again, or choose a video file.');
    }
  }
  start() {
    if (!this.stream) return;
    this.discard();
    const type = ['video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'].find((t) => MediaRecorder.isTypeSupported(t)) ?? '';
    const recorder = new MediaRecorder(this.stream, { ...(type ? { mimeType: type } : {}), videoBitsPerSecond: 6_000_000 });
    const pieces: Blob[] = [];
    recorder.ondataavailable = (event) => event.data.size > 0 && pieces.push(event.data);
    recorder.onstop = () => {
      const blob = new Blob(pieces, { type: recorder.mimeType.split(';')[0] ?? 'video/webm' });
      this.result = { blob, url: URL.createObjectURL(blob) };
    };
    recorder.start(500);
    this.#recorder = recorder;
    this.recording = true;
    this.seconds = 0;
    const begin = Date.now();
    this.#timer = window.setInterval(() => (this.seconds = (Date.now() - begin) / 1000), 200);
  }
  stop() {
    clearInterval(this.#timer);
    this.recording = false;
    if (this.#recorder?.state === 'recording') this.#recorder.stop();
  }
  discard() {
    if (this.result) URL.revokeObjectURL(this.result.url);
    this.result = null;
  }
  close() {
    this.stop();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}
