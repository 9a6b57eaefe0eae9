// SPDX-License-Identifier: Apache-2.0
// Units of src/lib without a browser: time codes, addresses, forms from schemas, curves, frame loading.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const web = join(dirname(fileURLToPath(import.meta.url)), '..');
// esbuild comes with vite; it turns the modules into what node can import.
const modules = process.env.LIKENESS_WEB_MODULES ?? join(web, 'node_modules');
const { buildSync } = createRequire(join(modules, 'vite/package.json'))('esbuild');
const folder = mkdtempSync(join(tmpdir(), 'likeness-web-'));
after(() => rmSync(folder, { recursive: true }));

async function load(name) {
  const out = join(folder, `${name}.mjs`);
  buildSync({ entryPoints: [join(web, 'src/lib', `${name}.ts`)], bundle: true, format: 'esm', outfile: out, logLevel: 'error' });
  return import(pathToFileURL(out));
}

let format, route, schema, curves, keymap, edit, polygons, jobs, ranges, voice, tools, wav, captions;
before(async () => {
  globalThis.location = { hash: '', pathname: '/', search: '' };
  [format, route, schema, curves, keymap, edit, polygons, jobs, ranges, voice, tools, wav, captions] = await Promise.all(['format', 'route', 'schema', 'curves', 'keymap', 'edit', 'polygons', 'jobs', 'ranges', 'voice', 'tools', 'wav', 'captions'].map(load));
});

test('time codes: what is shown is understood again, for every frame and rate', () => {
  for (const fps of [23.976, 24, 25, 29.97, 30, 50, 60])
    for (let frame = 0; frame < 200_000; frame += 997) assert.equal(format.parseTimecode(format.timecode(frame, fps), fps, 0, 1e9), frame);
});
test('time codes: relative, seconds, limits, nonsense', () => {
  const at = (text) => format.parseTimecode(text, 25, 100, 600);
  assert.equal(at('+20'), 120);
  assert.equal(at('-5'), 95);
  assert.equal(at('+1:00'), 125);
  assert.equal(at('2s'), 50);
  assert.equal(at('42'), 42);
  assert.equal(at('+9999'), 599);
  assert.equal(at('-9999'), 0);
  for (const bad of ['', 'x', '1:', '--3', '1:2:3:4:5', '+']) assert.equal(at(bad), null, bad);
});
test('numbers for people', () => {
  assert.equal(format.bytes(0), '0 B');
  assert.equal(format.bytes(1_500_000), '1.5 MB');
  assert.equal(format.duration(3675), '1:01:15');
  assert.equal(format.duration(null), '–');
  assert.equal(format.label('min_face_px', 'px'), 'Min face');
  assert.equal(format.label('blur_pct', '%'), 'Blur');
  assert.equal(format.label('minutes', 'min'), 'Minutes');
});

test('polygons: a point on a turned face goes there and back, and moves with the face', () => {
  const face = { track: 3, face_from_frame: [0.004, -0.001, 0.2, 0.001, 0.004, -0.3] };
  for (const on of ['face', 'frame']) {
    const to = polygons.keptFromFrame({ on, track: 3 }, [face], 640, 360);
    for (const p of [[0, 0], [100, 50], [639, 359]]) {
      const [x, y] = polygons.apply(polygons.inverse(to), polygons.apply(to, p));
      assert.ok(Math.abs(x - p[0]) < 1e-6 && Math.abs(y - p[1]) < 1e-6, `${on} ${p}`);
    }
  }
  assert.deepEqual(polygons.apply(polygons.keptFromFrame({ on: 'frame' }, [], 640, 360), [320, 90]), [0.5, 0.25]);
  assert.equal(polygons.keptFromFrame({ on: 'face', track: 4 }, [face], 640, 360), null);
  assert.equal(polygons.keptFromFrame({ on: 'face', track: 3 }, [{ track: 3, face_from_frame: null }], 640, 360), null);
  assert.equal(polygons.inverse([1, 2, 0, 2, 4, 0]), null);
  assert.deepEqual(polygons.kept([0.123456, -99]), [0.1235, -16]);
});
test('polygons: steps back and forth, and the next drawn range', () => {
  const at = (n) => ({ polygons: [], open: { first: 0, last: 9, kind: 'exclude', on: 'face', points: Array(n).fill([0, 0]) } });
  let steps = { past: [], future: [] };
  for (let n = 0; n < 4; n++) steps = polygons.stepped(steps, at(n));
  let now = at(4);
  for (const n of [3, 2, 1]) {
    const back = polygons.stepBack(steps, now);
    assert.equal(back.drawing.open.points.length, n);
    [steps, now] = [back.steps, back.drawing];
  }
  assert.equal(polygons.stepForth(steps, now).drawing.open.points.length, 2);
  assert.equal(polygons.stepped(steps, now).future.length, 0, 'a new step forgets what was undone');
  assert.equal(polygons.stepBack({ past: [], future: [] }, now), null);
  for (let n = 0; n < 999; n++) steps = polygons.stepped(steps, now);
  assert.ok(steps.past.length <= 200);
  const drawn = [[40, 50], [10, 20], [40, 41]].map(([first, last]) => ({ first, last, kind: 'exclude', on: 'face', points: [] }));
  assert.deepEqual([0, 10, 39, 40, 99].map((f) => polygons.nextDrawn(drawn, f)), [10, 40, 40, 10, 10]);
  assert.equal(polygons.nextDrawn([], 5), null);
});

test('curves: the mean since the last save takes what was written after it', () => {
  const rows = [{ step: 10, loss: 1 }, { step: 20, loss: 0.5 }, { step: 25, event: 'held_out' }, { step: 30, loss: 0.25 }, { step: 40, loss: Infinity }];
  assert.equal(curves.meanSince(rows, 10), 0.375);
  assert.equal(curves.meanSince(rows, 0), 1.75 / 3);
  assert.equal(curves.meanSince(rows, 30), null);
});

test('addresses: every route survives the address bar', () => {
  for (const room of route.kRooms)
    for (const item of ['', 'ben-on-ava', 'take.mp4', 'a b/c', 'ü%41', '7']) {
      const query = item ? { frame: '12', view: 'split & more' } : {};
      const address = route.addressOf({ project: 'film 1', room, item, query });
      const url = new URL(address, 'http://localhost');
      assert.deepEqual(route.parseRoute(url.pathname, url.search), { project: 'film 1', room, item, query });
    }
});
test('addresses: nonsense shows the projects, a wrong room the media', () => {
  assert.equal(route.parseRoute('/nothing/here', '').room, 'projects');
  assert.equal(route.parseRoute('/p/x/nothing', '').room, 'media');
  assert.equal(route.parseRoute('/p/%E0%A4%A/media', '').project, '%E0%A4%A');
});

const kSchema = {
  properties: {
    late: { type: 'boolean', default: false, order: 5 },
    erode_pct: { type: 'number', default: 0, minimum: -20, maximum: 40, unit: '%', order: 1 },
    batch: { type: 'integer', default: 8, minimum: 1, maximum: 512, order: 2, level: 'advanced' },
    color: { type: 'string', default: 'tone', enum: ['tone', 'none', 'rct'], order: 3 },
    uses: { type: 'array', default: [], items: { type: 'string' }, order: 4 },
    operations: { type: 'array', default: ['train'], items: { type: 'string' }, enum: ['train', 'faceswap'], order: 6 },
    name: { type: 'string', default: '', order: 7 },
  },
};
test('forms: controls, order and levels come from the schema', () => {
  const fields = schema.fieldsOf(kSchema);
  assert.deepEqual(fields.map((f) => f.name), ['erode_pct', 'batch', 'color', 'uses', 'late', 'operations', 'name']);
  assert.deepEqual(fields.map((f) => f.control), ['slider', 'number', 'select', 'list', 'switch', 'checks', 'text']);
  assert.deepEqual(fields.filter((f) => f.advanced).map((f) => f.name), ['batch']);
  assert.deepEqual(schema.fieldsOf(undefined), []);
});
test('forms: values stay in their range and type', () => {
  const { erode_pct, batch, uses } = kSchema.properties;
  assert.equal(schema.coerce(erode_pct, '99'), 40);
  assert.equal(schema.coerce(erode_pct, '-1,5'), -1.5);
  assert.equal(schema.coerce(batch, '7.6'), 8);
  assert.equal(schema.coerce(batch, 'many'), undefined);
  assert.deepEqual(schema.coerce(uses, 'film, ads,,'), ['film', 'ads']);
  for (const s of [{ type: 'number', minimum: 0, maximum: 1 }, { type: 'number', minimum: 0, maximum: 50 }]) {
    const step = schema.stepOf(s);
    assert.ok(step >= (s.maximum - s.minimum) / 100 && step <= (s.maximum - s.minimum) / 10, String(step));
  }
});
test('forms: only what differs is sent; a step up and down is where it was', () => {
  const fields = schema.fieldsOf(kSchema);
  assert.deepEqual(schema.changed(fields, {}, { batch: 8, color: 'none', uses: [] }), { color: 'none' });
  assert.deepEqual(schema.changed(fields, { batch: 4 }, { batch: 8 }), { batch: 8 });
  for (const f of fields.filter((x) => ['slider', 'number', 'select', 'switch'].includes(x.control))) {
    const start = f.schema.default;
    assert.deepEqual(schema.stepped(f, schema.stepped(f, start, 1), -1), start, f.name);
    assert.notDeepEqual(schema.stepped(f, start, 1), start, f.name);
  }
});

test('curves: a resumed run is one line, smoothing starts at the data', () => {
  const rows = [
    { step: 10, loss: 1 }, { step: 20, loss: 0.9 }, { step: 15, event: 'held_out', l1_identity: 0.02 },
    { step: 30, loss: 0.8 }, { step: 20, loss: 0.95 },
  ];
  const ordered = curves.orderRows(rows);
  assert.deepEqual(ordered.map((r) => r.step), [10, 15, 20, 30]);
  assert.equal(ordered[2].loss, 0.95);
  const c = curves.curvesOf(ordered, 0.9, 0);
  assert.equal(c.smooth[0], 1);
  assert.ok(c.smooth.every((v) => v === null || (v <= 1 && v >= 0.8)));
  assert.deepEqual(c.identity, [null, 0.02, null, null]);
  assert.deepEqual(curves.curvesOf(ordered, 0, 15).step, [15, 20, 30]);
  assert.deepEqual(curves.curvesOf(ordered, 0, 0).smooth.filter((v) => v !== null), [1, 0.95, 0.8]);
});

test('frames: only the newest wish is loaded, never a queue of old ones', async () => {
  const asked = [];
  let release = [];
  globalThis.fetch = (url, { signal }) => new Promise((resolve, reject) => {
    asked.push(Number(url));
    signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
    release.push(() => resolve(new Response(new Blob(['x']))));
  });
  globalThis.createImageBitmap = async () => ({ width: 64, height: 64, close() {} });
  const { FrameLoader } = await load('frames');
  const shown = [];
  const loader = new FrameLoader({ url: (n) => String(n), frames: 1000 }, (n) => shown.push(n), assert.fail);
  const turn = async () => {
    release.shift()?.();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  for (let n = 0; n <= 100; n++) loader.want(n);
  assert.deepEqual(asked, [0], 'one request at a time');
  await turn();
  assert.deepEqual(asked, [0, 100], 'then the newest');
  await turn();
  assert.deepEqual(shown, [0, 100]);
  // Nothing is wanted: the next frames in the direction of travel are fetched in advance.
  for (let i = 0; i < 8; i++) await turn();
  assert.deepEqual(asked.slice(2), [101, 102, 103, 104, 105, 106, 107, 108]);
  assert.deepEqual(shown, [0, 100], 'and not shown');
  loader.want(103);
  assert.deepEqual(shown, [0, 100, 103], 'a known frame is there at once');
  loader.want(500);
  await turn();
  loader.want(105);
  for (let i = 0; i < 3; i++) await turn();
  assert.equal(shown.at(-1), 105, 'a late older picture does not cover it');
  loader.close();
});

test('keys: a changed key is found, the old one is free, conflicts are named, some stay', () => {
  const player = { title: 'Player', keys: [{ keys: ['l'], label: 'Play' }, { keys: ['k', ' '], label: 'Stop' }] };
  const room = { title: 'Room', keys: [{ keys: ['m'], label: 'Mark' }, { keys: ['?'], label: 'This list' }] };
  const groups = [player, room];
  const id = keymap.idOf('Player', player.keys[0]);
  const map = { [id]: 'Shift+p' };
  assert.equal(keymap.findKey({}, groups, 'l'), player.keys[0]);
  assert.equal(keymap.findKey(map, groups, 'l'), undefined);
  assert.equal(keymap.findKey(map, groups, 'Shift+p'), player.keys[0]);
  assert.deepEqual(keymap.keysOf(map, 'Player', player.keys[1]), ['k', ' ']);
  assert.match(keymap.conflict(map, groups, id, 'm'), /Mark/);
  assert.match(keymap.conflict(map, groups, id, '?'), /always/);
  assert.equal(keymap.conflict(map, groups, id, 'Shift+p'), undefined);
  assert.equal(keymap.conflict(map, groups, 'Room/Mark', 'l'), undefined);
  assert.equal(keymap.changeable(room.keys[1]), false);
  assert.equal(keymap.findKey({ 'Room/This list': 'x' }, groups, '?'), room.keys[1]);
  for (const bad of [null, '', '{', '[]', '3', '{"a":1,"b":"","c":"Escape"}']) assert.deepEqual(keymap.parse(bad), {});
  assert.deepEqual(keymap.parse(JSON.stringify(map)), map);
});

test('edits: the newest that fit are kept, in their order', () => {
  const make = (n, bytes = 0) => ({ label: `edit ${n}`, redo: [{ method: 'POST', path: '/x', body: 'x'.repeat(bytes) }], undo: 'trash', trash: [String(n)] });
  const done = Array.from({ length: 50 }, (_, n) => make(n, 200));
  const kept = edit.fitting({ done, undone: [make(99)] }, 5000);
  assert.ok(kept.done.length > 5 && kept.done.length < 25);
  assert.deepEqual(kept.done, done.slice(-kept.done.length));
  assert.ok(JSON.stringify(kept.done).length <= 5200);
  assert.deepEqual(edit.fitting({ done: [make(1)], undone: [make(2)] }), { done: [make(1)], undone: [make(2)] });
  assert.deepEqual(edit.fitting({ done: [make(1), make(2, 9000)], undone: [] }, 5000), { done: [], undone: [] });  // never out of order
  assert.deepEqual([{ trash: 'a' }, { trash: ['b', 'c'] }, {}, null].flatMap(edit.trashIn), ['a', 'b', 'c']);
});

test('jobs: what is copied gets a name of its own', () => {
  assert.equal(jobs.freeName('take', []), 'take');
  assert.equal(jobs.freeName('take', ['take.mp4']), 'take-2');
  assert.equal(jobs.freeName('take-2.wav', ['take.wav', 'take-2.wav', 'take-3.mp4']), 'take-4.wav');
  assert.equal(jobs.freeName('', ['take']), '');
});
test('jobs: what runs or is done stays as it was; what took an upload is not copied', () => {
  const task = { schema: { properties: { seed: {} } }, arguments: { properties: { take: { kind: 'internal' }, media: { kind: 'media' } } } };
  const job = (state, args) => ({ state, arguments: args });
  assert.deepEqual(['queued', 'paused', 'failed', 'cancelled', 'interrupted', 'running', 'done'].filter((s) => jobs.canChange(job(s, {}), task)), ['queued', 'paused', 'failed', 'cancelled', 'interrupted']);
  assert.ok(jobs.canCopy(job('done', { media: 1 }), task));
  assert.ok(!jobs.canCopy(job('done', { take: 'work/takes/x' }), task));
  assert.ok(!jobs.canChange(job('queued', {}), { schema: { properties: {} } }) && !jobs.canChange(job('queued', {}), undefined));
});

test('strokes: the radius goes along with the face, the path gets shorter and stays where it was', () => {
  const face = { track: 3, face_from_frame: [0.003, -0.001, -0.2, 0.001, 0.003, -0.4] };
  for (const on of ['face', 'frame']) {
    const to = polygons.keptFromFrame({ on, track: 3 }, [face], 640, 360);
    const radius = polygons.keptRadius(on, 25, to, 640);
    assert.ok(Math.abs(polygons.pixelRadius({ on, radius }, polygons.inverse(to), 640) - 25) < 0.1);
  }
  const circle = Array.from({ length: 4000 }, (_, i) => [0.5 + 0.3 * Math.cos(i / 600), 0.5 + 0.3 * Math.sin(i / 600)]);
  const stroke = polygons.keptStroke({ first: 0, last: 9, kind: 'exclude', on: 'face', radius: 0.05, points: circle });
  assert.ok(stroke.points.length > 10 && stroke.points.length < 100, `${stroke.points.length} points`);
  const away = ([x, y]) => Math.min(...stroke.points.slice(1).map((b, i) => {
    const a = stroke.points[i];
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const t = Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
  }));
  for (const p of circle) assert.ok(away(p) <= 0.05 / 20 + 1e-4);
  let seed = 1;
  const wild = Array.from({ length: 5000 }, () => [(seed = (seed * 16807) % 2147483647) / 2147483647, (seed = (seed * 16807) % 2147483647) / 2147483647]);
  assert.ok(polygons.keptStroke({ first: 0, last: 9, kind: 'exclude', on: 'face', radius: 0.01, points: wild }).points.length <= polygons.kMostPathPoints);
  assert.deepEqual(polygons.keptStroke({ first: 0, last: 0, kind: 'erase', on: 'frame', radius: 0.1, points: [[0.5, 0.5]] }).points, [[0.5, 0.5]]);
});
test('ranges: what is edited holds in all following frames', () => {
  const list = [{ first: 10, last: 19, options: { a: 1 } }, { first: 30, last: 39, options: { a: 2 } }, { first: 50, last: 59, options: { a: 3 } }];
  assert.deepEqual(ranges.followed(list, 1, 35, 100), [list[0], { first: 30, last: 99, options: { a: 2 } }]);
  assert.deepEqual(ranges.followed(list, -1, 35, 100), [list[0], { first: 30, last: 34, options: { a: 2 } }]);
  assert.deepEqual(ranges.followed(list, -1, 30, 100), [list[0]]);
  assert.deepEqual(ranges.followed(list, -1, 99, 100), list);
  assert.deepEqual(ranges.followed([], -1, 0, 100), []);
});
test('voices: how much is missing, and whether others can be left out', () => {
  const v = (level, more_s) => voice.qualityText({ quality: { level, more_s, notes: [] } });
  assert.match(v('little', 90), /^1\.5 min more are enough/);
  assert.match(v('enough', 600), /10 min more/);
  assert.equal(voice.qualityText({ quality: null }), 'It cannot be opened here.');
  const refused = { state: 'failed', error: { what: "enrolling 'a' is refused (other-voice): b.wav" }, options: {} };
  assert.ok(voice.othersVoice(refused) && !voice.othersVoice({ ...refused, options: { leave_out: true } }));
  assert.ok(!voice.othersVoice({ ...refused, error: { what: 'no sound' } }));
  assert.equal(voice.voiceJob([{ id: 1, task: 'voice-enroll', arguments: { subject: 'a' } }, { id: 3, task: 'voice-enroll', arguments: { subject: 'a' } }, { id: 4, task: 'voice-enroll', arguments: { subject: 'b' } }], 'a', 'voice-enroll').id, 3);
});

test('wav: a file any program reads, loud samples are held', async () => {
  const bytes = new DataView(await wav.wav([new Float32Array([0, 0.5]), new Float32Array([2, -2])], 48000).arrayBuffer());
  const text = (at) => String.fromCharCode(...new Uint8Array(bytes.buffer, at, 4));
  assert.deepEqual([text(0), text(8), text(36)], ['RIFF', 'WAVE', 'data']);
  assert.equal(bytes.byteLength, 44 + 8);
  assert.equal(bytes.getUint32(4, true), bytes.byteLength - 8);
  assert.equal(bytes.getUint32(24, true), 48000);
  assert.equal(bytes.getUint32(28, true), 96000);
  assert.equal(bytes.getUint32(40, true), 8);
  assert.deepEqual([0, 1, 2, 3].map((i) => bytes.getInt16(44 + 2 * i, true)), [0, 16384, 32767, -32768]);
});
test('wav: levels in words and on the meter', () => {
  assert.equal(wav.levelWord(0.0001).word, 'silence');
  assert.equal(wav.levelWord(0.01).kind, 'warn');
  assert.equal(wav.levelWord(0.3).kind, 'ok');
  assert.equal(wav.levelWord(0.99).kind, 'bad');
  assert.equal(wav.meterShare(1), 1);
  assert.equal(wav.meterShare(0), 0);
  assert.ok(Math.abs(wav.meterShare(0.001)) < 1e-9);
});
test('tools: tasks with a room are not among them; what is needed comes first and is missed', () => {
  const info = (properties, required = []) => ({ schema: {}, arguments: { properties, required } });
  const tasks = { swap: info({}), verify: info({ file: { type: 'string', kind: 'file' } }, ['file']), demo: info({}), 'faceset-sort': info({}), consent: { schema: {} } };
  assert.deepEqual(tools.toolsOf(tasks), ['verify', 'demo', 'faceset-sort']);
  assert.deepEqual(tools.argumentsOf({ required: ['z'], properties: { a: {}, z: {}, b: {} } }).map((f) => f.name), ['z', 'a', 'b']);
  assert.deepEqual(tools.missing(['a', 'b', 'c'], { a: 1 }, { b: [1], c: [] }), ['c']);
});
test('tools: results in words, a comparison with its scale', () => {
  assert.deepEqual(tools.plainFacts({ crops: 12, ok: true, deep: { a: 1 }, names: ['x', 'y'], empty: '', dry: false }), [['Crops', '12'], ['Names', 'x, y'], ['Dry', 'no']]);
  const c = tools.comparison({ cosine: 0.7, verdict: 'uncertain', different_speakers_this_alike: 0.0001, one_speaker_this_unlike: 0.02, files: [{ path: 'a.wav', speech_s: 3, notes: ['noisy'] }] });
  assert.equal(c.verdict, 'uncertain');
  assert.ok(c.at > 0.49 && c.at < 0.51);
  assert.match(c.lines[0], /^under 0\.1 % of pairs of two speakers/);
  assert.match(c.lines[1], /^2 % of pairs of one speaker/);
  assert.deepEqual(c.notes, ['a.wav: 3 s of speech', 'a.wav: noisy']);
  assert.ok(tools.comparison({ cosine: -1, files: [] }).at === 0);
});
test('jobs: what was sent for one cannot be copied, what lies in the project can', () => {
  const task = { schema: { properties: { watermark: {} } }, arguments: { properties: { file: { kind: 'file' } } } };
  const job = (file) => ({ task: 'verify', state: 'done', arguments: { file }, options: {} });
  assert.equal(jobs.canCopy(job('work/files/a/x.wav'), task), false);
  assert.equal(jobs.canCopy(job('outputs/0123'), task), true);
});

const said = (text, at, source) => ({ text, begin_s: at, end_s: at + 0.4, source });
test('captions: words as they were written, two said for one written are one', () => {
  const text = 'Ça costs $5. Then “home”.';
  const at = (part) => { const from = Buffer.byteLength(text.slice(0, text.indexOf(part))); return [from, from + Buffer.byteLength(part)]; };
  const timings = { duration_s: 4, timing: 'exact', sentences: [
    { text: '', begin_s: 0, end_s: 2, words: [said('sa', 0.1, at('Ça')), said('costs', 0.5, at('costs')), said('five', 1, at('$5')), said('dollars', 1.4, at('$5'))] },
    { text: '', begin_s: 2, end_s: 4, words: [said('then', 2.1, at('Then')), said('home', 2.6, at('home'))] },
  ] };
  const sentences = captions.spokenSentences(timings, text);
  assert.equal(sentences.flat().map((w) => w.text + w.after).join(''), text);
  assert.equal(sentences[0][2].text, '$5');
  assert.equal(sentences[0][2].end_s, 1.4 + 0.4);
  // Without the text, or with SSML, what was said.
  for (const other of ['', `<speak>${text}</speak>`]) assert.equal(captions.spokenSentences(timings, other)[0].map((w) => w.text).join(' '), 'sa costs five dollars');
  assert.equal(captions.spokenSentences(timings, 'short')[1][0].text, 'then');
});
test('captions: VTT and SRT, long sentences in parts, nothing of the text breaks the file', () => {
  const words = Array.from({ length: 40 }, (_, i) => ({ text: `word${i}`, after: i === 39 ? '.' : ' ', begin_s: i, end_s: i + 0.5 }));
  const cues = captions.cuesOf([words, [{ text: 'a <b> --> c\n\n&', after: '', begin_s: 3661.0005, end_s: 3662 }]]);
  assert.ok(cues.length > 3 && cues.every((c) => c.text.length <= 84));
  assert.equal(cues.map((c) => c.text).slice(0, -1).join(' '), words.map((w) => w.text).join(' ') + '.');
  for (let i = 1; i < cues.length; i++) assert.ok(cues[i].begin_s >= cues[i - 1].end_s);
  const lines = captions.vtt(cues).split('\n');
  assert.equal(lines[0], 'WEBVTT');
  assert.equal(lines.filter((l) => l.includes('-->')).length, cues.length);
  assert.match(captions.vtt(cues), /01:01:01\.00[01] --> 01:01:02\.000\na &lt;b> → c &amp;\n$/);
  assert.match(captions.srt(cues), /^1\n00:00:00,000 --> /);
  assert.equal(captions.srt(cues).split('\n\n').length, cues.length);
});
