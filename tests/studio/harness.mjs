// SPDX-License-Identifier: Apache-2.0
// The real program and a real browser. Environment:
//   LIKENESS_PROGRAM       the binary
//   LIKENESS_SOURCE_DIR    the repository
//   LIKENESS_MODELS        face models
//   LIKENESS_WEB_MODULES   a node_modules with playwright-core and axe-core
//   STUDIO_PATIENCE        every time limit is this much longer, for a busy machine (optional)
//   STUDIO_SHOTS           folder for a screenshot of every room (optional)
//   STUDIO_DIST            a built page to use instead of the one in the program (optional, for work on web/)
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const kSkipped = 77;
export const source = process.env.LIKENESS_SOURCE_DIR ?? new URL('../..', import.meta.url).pathname;
export const program = process.env.LIKENESS_PROGRAM ?? join(source, 'build/release/likeness');
const kPatience = Math.max(1, Number(process.env.STUDIO_PATIENCE ?? 1) || 1);
/** A time limit. */
export const patient = (ms) => ms * kPatience;
export const shots = process.env.STUDIO_SHOTS ?? '';
export const performers = join(source, 'assets/performers');

export function skip(why) {
  console.log(`SKIPPED: ${why}`);
  process.exit(kSkipped);
}

const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const modules = [process.env.LIKENESS_WEB_MODULES, join(source, 'web/node_modules')].find((m) => m && existsSync(join(m, 'playwright-core')));
if (!browserPath) skip('there is no Chromium; scripts/install-packages check installs it');
if (!modules) skip('there is no playwright-core; it comes with the build of web/');
if (!existsSync(program)) skip(`there is no program at ${program}`);
if (!existsSync(join(process.env.LIKENESS_MODELS ?? join(source, '.cache/models'), 'NOTICE')) && !existsSync(process.env.LIKENESS_MODELS ?? join(source, '.cache/models'))) skip('the face models are not installed; scripts/install-models does it');
const require = createRequire(join(modules, 'package.json'));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const home = mkdtempSync(join(tmpdir(), 'likeness-studio-'));
export const environment = {
  ...process.env,
  HOME: home,
  LIKENESS_HOME: join(home, 'private'),
  LIKENESS_STUDIO_HOME: join(home, 'projects'),
  LIKENESS_MODELS: process.env.LIKENESS_MODELS ?? join(source, '.cache/models'),
  XDG_CONFIG_HOME: join(home, 'config'),
};
// No file manager and no browser of this machine is opened.
for (const name of ['DISPLAY', 'WAYLAND_DISPLAY']) delete environment[name];
mkdirSync(environment.LIKENESS_STUDIO_HOME, { recursive: true });
if (shots) mkdirSync(shots, { recursive: true });

/** Runs the command line beside the studio; gives its JSON. */
export const likeness = (...args) => JSON.parse(execFileSync(program, ['--json', ...args], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] }).toString());

export class Studio {
  #child = null;
  #args = [];
  port = 0;
  url = '';
  said = '';

  constructor(args = []) {
    this.#args = args;
  }
  /** Resolves when the address is printed. */
  async start() {
    this.#child = spawn(program, ['studio', '--no-browser', '--json', ...this.#args, ...(this.port ? ['--port', String(this.port)] : [])], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (text) => (this.said += text));
    this.#child.on('exit', (code, signal) => (this.said += `\n(ended: ${signal ?? code})\n`));
    const text = await new Promise((resolve, reject) => {
      let out = '';
      this.#child.stdout.on('data', (piece) => {
        out += piece;
        try {
          resolve(JSON.parse(out));
        } catch {
          // Not whole yet.
        }
      });
      this.#child.on('exit', (code) => reject(new Error(`the studio ended with ${code}: ${this.said}`)));
    });
    this.port = text.port;
    this.url = text.url;
    if (process.env.STUDIO_DIST && !this.url.startsWith('https')) await this.#proxy();
    return this;
  }
  /** Another page than the embedded one, in front of the same server. */
  async #proxy() {
    const [to, dist] = [this.port, process.env.STUDIO_DIST];
    const own = (request) => ({ host: '127.0.0.1', port: to, path: request.url, method: request.method, headers: { ...request.headers, host: `127.0.0.1:${to}`, ...(request.headers.origin ? { origin: `http://127.0.0.1:${to}` } : {}) } });
    this.front ??= createServer((request, response) => {
      if (!request.url.startsWith('/v1')) {
        const file = join(dist, new URL(request.url, 'http://x').pathname);
        const found = existsSync(file) && !file.endsWith('/') ? file : join(dist, 'index.html');
        const type = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }[found.split('.').pop()] ?? 'text/html';
        return response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:" }).end(readFileSync(found));
      }
      const ask = httpRequest(own(request), (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
      ask.on('error', () => response.destroy());
      response.on('close', () => ask.destroy());
      request.pipe(ask);
    }).on('upgrade', (request, socket) => {
      const ask = httpRequest(own(request));
      ask.on('upgrade', (answer, other, head) => {
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(answer.headers).map(([k, v]) => `${k}: ${v}`).join('\r\n')}\r\n\r\n`);
        socket.write(head);
        other.pipe(socket).pipe(other);
        for (const s of [socket, other]) s.on('error', () => (socket.destroy(), other.destroy()));
      });
      ask.on('error', () => socket.destroy());
      ask.end();
    }).listen(0, '127.0.0.1');
    if (!this.front.listening) await new Promise((resolve) => this.front.once('listening', resolve));
    this.url = this.url.replace(`:${to}`, `:${this.front.address().port}`);
  }
  /** The port the page is at. */
  get page() {
    return new URL(this.url).port;
  }
  kill(signal = 'SIGKILL') {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const done = new Promise((resolve) => child.on('exit', resolve));
    child.kill(signal);
    return done;
  }
}

export async function startBrowser(extra = []) {
  return chromium.launch({
    executablePath: browserPath,
    args: ['--headless=new', '--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required', '--disable-gpu', ...extra],
  });
}

/**
 * Files that play as camera and microphone, or nothing without FFmpeg. Chromium opens the two devices one after the other and
 * begins each file when its device is opened; `lag_s` is how much later the sound was, and is taken off. Both files stay as
 * long as each other, so that their loops stay together.
 */
export function fakeCamera(video, lag_s) {
  const [picture, sound] = [join(home, 'camera.y4m'), join(home, 'microphone.wav')];
  try {
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', video, '-an', '-pix_fmt', 'yuv420p', picture]);
    const turned = `asplit[a][b];[a]atrim=start=${lag_s},asetpts=PTS-STARTPTS[x];[b]atrim=end=${lag_s},asetpts=PTS-STARTPTS[y];[x][y]concat=n=2:v=0:a=1`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', video, '-vn', ...(lag_s > 0 ? ['-filter_complex', turned] : []), '-ac', '1', '-ar', '48000', sound]);
  } catch {
    return null;
  }
  return [`--use-file-for-fake-video-capture=${picture}`, `--use-file-for-fake-audio-capture=${sound}`];
}

/** A browser's profile. */
export async function openContext(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  context.setDefaultTimeout(patient(30_000));
  return context;
}

/** A page whose errors fail the story. */
export async function openPage(context, problems) {
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(`exception: ${error.stack ?? error}`));
  page.on('console', (message) => {
    // A refused request shows up here too; what the page says about it is checked where it is expected.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  return page;
}

let started = Date.now();
let passed = 0;
export const numbers = {};
export async function step(name, run) {
  const begin = Date.now();
  try {
    await run();
  } catch (error) {
    console.log(`not ok  ${name}  (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
    throw error;
  }
  passed++;
  console.log(`ok  ${name}  (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
}
export const summary = () => console.log(`${passed} passed, 0 failed  (${((Date.now() - started) / 1000).toFixed(0)} s)`);

/** Waits until `probe` gives something; `what` names it in the error. */
export async function until(what, probe, seconds = 30) {
  const end = Date.now() + patient(seconds * 1000);
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** No serious violations of accessibility on the page as it is now. */
export async function accessible(page, room) {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const result = await window.axe.run(document, { resultTypes: ['violations'] });
    return result.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
  });
  assert.deepEqual(violations, [], `accessibility of ${room}`);
}

/** Pictures of the room at the two sizes that are promised; nothing may be cut off at the small one. */
export async function picture(page, room) {
  for (const [width, height] of [[1920, 1080], [1280, 720]]) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(shots ? 400 : 50);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${room} is wider than the window at ${width}x${height}`);
    if (shots) await page.screenshot({ path: join(shots, `${room}-${width}.png`) });
  }
}

/** Drops files on the page as a mouse would. */
export async function drop(page, files) {
  const data = files.map((f) => ({ name: f.name, type: f.type ?? 'video/mp4', base64: readFileSync(f.path).toString('base64') }));
  const transfer = await page.evaluateHandle((list) => {
    const dt = new DataTransfer();
    for (const f of list) {
      const bytes = Uint8Array.from(atob(f.base64), (c) => c.charCodeAt(0));
      dt.items.add(new File([bytes], f.name, { type: f.type }));
    }
    return dt;
  }, data);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: transfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

export const cleanUp = () => rmSync(home, { recursive: true, force: true });
