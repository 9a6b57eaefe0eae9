// SPDX-License-Identifier: Apache-2.0
// Runs in the browser's sound thread: gives what the microphone hears in blocks, and plays what is sent to it.
// Sound that comes late leaves a gap and is counted; sound that piles up is thrown away and counted.
class Sound extends AudioWorkletProcessor {
  constructor({ processorOptions: { block, wait_s, most_s } }) {
    super();
    this.block = block;
    this.wait = Math.round(wait_s * sampleRate);
    this.most = Math.round(most_s * sampleRate);
    this.heard = new Float32Array(block);
    this.filled = 0;
    this.queue = [];
    this.at = 0;
    this.have = 0;
    this.playing = false;
    this.gaps = 0;
    this.dropped = 0;
    this.peak = 0;
    this.told = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }
  take(data) {
    if (data === 'clear') return void ((this.queue = []), (this.have = this.at = 0), (this.playing = false), (this.gaps = this.dropped = 0));
    this.queue.push(new Int16Array(data));
    this.have += data.byteLength / 2;
    if (this.have <= this.most) return;
    while (this.queue.length > 1 && this.have > this.wait) {
      this.have -= this.queue.shift().length - this.at;
      this.at = 0;
      this.dropped++;
    }
  }
  play(out) {
    if (!this.playing && this.have >= this.wait && this.have > 0) this.playing = true;
    for (let i = 0; i < out.length && this.playing; i++) {
      if (this.have === 0) {
        this.playing = false;
        this.gaps++;
        break;
      }
      const first = this.queue[0];
      const x = first[this.at++] / 32768;
      this.have--;
      out[i] = x;
      this.peak = Math.max(this.peak, Math.abs(x));
      if (this.at === first.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
  }
  process([input], [output]) {
    const mic = input[0];
    for (let i = 0; mic && i < mic.length; i++) {
      this.heard[this.filled++] = mic[i];
      if (this.filled < this.block) continue;
      this.port.postMessage({ heard: this.heard.buffer }, [this.heard.buffer]);
      this.heard = new Float32Array(this.block);
      this.filled = 0;
    }
    if (output[0]) this.play(output[0]);
    if ((this.told += 128) >= sampleRate / 10) {
      this.port.postMessage({ queued_s: this.have / sampleRate, gaps: this.gaps, dropped: this.dropped, peak: this.peak });
      this.told = this.peak = 0;
    }
    return true;
  }
}
registerProcessor('likeness-sound', Sound);
