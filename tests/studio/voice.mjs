// SPDX-License-Identifier: Apache-2.0
// Steps of the story with a microphone: the voice bank, speaking live, comparing, a listening test. Chromium plays a file
// as the microphone. `ben` is enrolled and trained before.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, home, likeness, openContext, openPage, patient, picture, startBrowser, step, until } from './harness.mjs';

const film = join(home, 'projects/film');
const bank = () => likeness('voice', 'bank', film, 'ben', '--next', '1');
const ledger = () => likeness('ledger', 'verify', film);

/** A browser whose microphone hears this file again and again. */
async function withMicrophone(file, studio, problems) {
  const browser = await startBrowser([`--use-file-for-fake-audio-capture=${file}`]);
  const context = await openContext(browser);
  await context.grantPermissions(['microphone', 'clipboard-read', 'clipboard-write'], { origin: new URL(studio.url).origin });
  const page = await openPage(context, problems);
  await page.goto(studio.url);
  await page.getByRole('textbox', { name: 'Name of the new project' }).or(page.getByRole('navigation', { name: 'Rooms' })).first().waitFor();
  return { browser, page };
}
async function look(page, name) {
  await accessible(page, name);
  await picture(page, name);
}

export async function voiceSteps({ studio, project, problems }) {
  const address = (query) => `http://127.0.0.1:${studio.page}/p/${project}/voice/ben?mode=${query}`;
  const take = join(home, 'microphone-bank.wav');
  const next = bank().next[0];
  // The sentence, with a quiet moment around it; the file is played in a loop.
  likeness('speak', film, next.text, '--voice', 'slt', '-o', join(home, 'sentence.wav'));
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', join(home, 'sentence.wav'), '-af', 'adelay=1200:all=1,apad=pad_dur=1.5', '-ac', '1', '-ar', '48000', take]);
  const long_s = Number(execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', take]));
  const { browser, page } = await withMicrophone(take, studio, problems);
  try {
    await step('voice bank: a sentence is read to the microphone, checked and kept; noise is refused with the reason', async () => {
      await page.goto(address('bank'));
      const card = page.getByRole('region', { name: 'Voice bank' });
      assert.equal((await card.locator('.sentence').textContent()).trim(), next.text);
      const before = bank();
      // Too short: nothing can have been read.
      await page.keyboard.press(' ');
      await card.getByRole('button', { name: 'Stop' }).waitFor();
      await page.waitForTimeout(400);
      await page.keyboard.press(' ');
      await card.locator('[data-good="false"]').waitFor({ timeout: patient(60_000) });
      assert.match(await card.locator('.verdict').textContent(), /silent|too-short|short/);
      assert.ok(await card.getByRole('button', { name: 'Keep' }).isDisabled(), 'a bad take cannot be kept');
      await page.keyboard.press('Backspace');
      await card.getByRole('button', { name: 'Stop' }).waitFor();
      // Once around, wherever the loop is now.
      await page.waitForTimeout(long_s * 1000 + 300);
      await look(page, 'voice-bank-recording');
      await page.keyboard.press(' ');
      await card.locator('[data-good]').waitFor({ timeout: patient(60_000) });
      await until('the take to be good', async () => {
        if (await card.locator('[data-good="true"]').count()) return true;
        await page.keyboard.press('w'); // the recogniser of the machine may hear other words
        await page.waitForTimeout(500);
        return (await card.locator('.sentence').textContent()).trim() !== next.text;
      }, 60);
      await look(page, 'voice-bank-take');
      await page.keyboard.press('Enter');
      await until('another sentence', async () => (await card.locator('.sentence').textContent()).trim() !== next.text);
      await until('the take to be enrolled', () => bank().sentences_read === before.sentences_read + 1, 60);
      assert.ok(bank().speech_s > before.speech_s && bank().coverage.speech_share > before.coverage.speech_share);
      await look(page, 'voice-bank');
    });

    await step('live: a rehearsal keeps nothing and is in the ledger; on air is kept, also when the tab is closed', async () => {
      const outputs = () => likeness('project', 'show', film) && page.evaluate(async (p) => (await (await fetch(`/v1/projects/${p}/outputs`)).json()).map((o) => o.name), project);
      const lives = async () => (await outputs()).filter((n) => n.startsWith('live-as-ben'));
      await page.goto(address('live'));
      const desk = page.getByRole('region', { name: 'Live voice' });
      await desk.getByRole('button', { name: 'Rehearse' }).waitFor();
      const lines = ledger().entries;
      await page.keyboard.press('r');
      await until('numbers', async () => /\d+ ms/.test(await desk.locator('dd.big').textContent()), 60);
      assert.equal(await desk.getAttribute('data-phase'), 'on');
      const other = await page.context().newPage();
      await other.goto(address('live'));
      await other.getByRole('region', { name: 'Live voice' }).getByRole('button', { name: 'Rehearse' }).click();
      await other.getByRole('alert').getByText(/speaking live already/).waitFor();
      await other.close();
      await look(page, 'voice-rehearsal');
      await page.keyboard.press('x');
      await desk.getByText('Nothing was kept').waitFor({ timeout: patient(60_000) });
      assert.deepEqual(await lives(), []);
      assert.ok(ledger().entries >= lines + 2 && ledger().ok, 'the rehearsal is in the ledger');
      await page.keyboard.press('a');
      await until('numbers on air', async () => /\d+ ms/.test(await desk.locator('dd.big').textContent()), 60);
      await page.waitForTimeout(2500);
      await until('sound to come back', async () => Number(await desk.getByRole('meter', { name: 'Out' }).getAttribute('aria-valuenow')) > -60, 20);
      await look(page, 'voice-on-air');
      await page.keyboard.press('x');
      await desk.getByRole('button', { name: 'Its proof' }).waitFor({ timeout: patient(60_000) });
      await look(page, 'voice-said');
      assert.equal((await lives()).length, 1);
      await desk.getByRole('button', { name: 'Its proof' }).click();
      await page.locator('[data-verdict^="synthetic"]').waitFor({ timeout: patient(60_000) });
      // A tab that is closed ends the stream in order.
      const tab = await openPage(page.context(), problems);
      await tab.goto(address('live'));
      await tab.getByRole('region', { name: 'Live voice' }).getByRole('button', { name: 'Go on air' }).click();
      await until('to be on air', async () => (await tab.getByRole('region', { name: 'Live voice' }).getAttribute('data-phase')) === 'on', 60);
      await tab.waitForTimeout(1500);
      await tab.close();
      await until('the take of the closed tab', async () => (await lives()).length === 2, 60);
    });

    await step('two voices are compared, a listening test is made, a file of the disk is verified', async () => {
      const form = page.getByRole('form');
      await page.goto(`http://127.0.0.1:${studio.page}/p/${project}/voice?tool=voice-compare`);
      const choose = form.locator('input[type=file]');
      await choose.nth(0).setInputFiles(join(home, 'recordings/a0.wav'));
      await choose.nth(1).setInputFiles(join(home, 'recordings/stranger.wav'));
      await page.getByRole('button', { name: 'Start' }).click();
      const result = page.getByRole('region', { name: 'Result' });
      await result.getByText(/of pairs of two speakers/).waitFor({ timeout: patient(60_000) });
      assert.match(await result.textContent(), /different/);
      await look(page, 'voice-compare');
      await page.goto(`http://127.0.0.1:${studio.page}/p/${project}/voice?tool=voice-abx`);
      await form.getByRole('group', { name: 'A', exact: true }).locator('input').setInputFiles([0, 1].map((i) => join(home, `recordings/a${i}.wav`)));
      await form.getByRole('group', { name: 'B', exact: true }).locator('input').setInputFiles([0, 1].map((i) => join(home, `recordings/a${i}.wav`)));
      await page.getByRole('button', { name: 'Start' }).click();
      const [test] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('link', { name: 'Open the test' }).click({ timeout: patient(60_000) })]);
      await test.getByRole('button', { name: 'Begin' }).click();
      await test.getByRole('button', { name: /Play A/ }).waitFor();
      assert.equal(await test.evaluate(() => origin), 'null', 'the page runs as a stranger');
      await test.close();
      await page.goto(`http://127.0.0.1:${studio.page}/p/${project}/jobs?new=verify`);
      await form.locator('input[type=file]').setInputFiles(join(home, 'recordings/a0.wav'));
      await page.getByRole('button', { name: 'Start' }).click();
      await page.getByRole('region', { name: 'Result' }).locator('[data-verdict^="synthetic"]').waitFor({ timeout: patient(60_000) });
      await look(page, 'verify');
      assert.ok(!existsSync(join(film, 'work/files')) || execFileSync('find', [join(film, 'work/files'), '-type', 'f']).length === 0, 'what was sent is gone');
      await page.goto(`http://127.0.0.1:${studio.page}/p/${project}/consent?ledger=1`);
      await page.getByText(/All \d+ lines hold/).waitFor();
      await page.getByRole('cell', { name: 'rehearsed' }).first().waitFor();
      await look(page, 'ledger');
    });
    await step('a spoken line shows its words: the one being said, a click goes there, captions', async () => {
      await page.goto(`http://127.0.0.1:${studio.page}/p/${project}/voice/slt`);
      await page.getByRole('textbox', { name: 'What to say' }).fill('It costs $5. Then we all went home.');
      await page.getByRole('button', { name: 'Speak', exact: true }).click();
      const line = page.getByRole('list', { name: 'Lines' }).getByRole('listitem').filter({ hasText: 'it-costs-5' });
      await line.getByRole('button').first().click({ timeout: patient(60_000) });
      const spoken = page.getByRole('group', { name: 'What is said' });
      await spoken.waitFor();
      assert.equal((await spoken.getByRole('region').textContent()).replace(/\s+/g, ' ').trim(), 'It costs $5. Then we all went home.');
      await spoken.getByRole('button', { name: 'went', exact: true }).click();
      await until('the word to be marked', async () => (await spoken.locator('button.now').count()) === 1);
      assert.ok((await page.locator('audio').evaluate((m) => m.currentTime)) > 1);
      const [file] = await Promise.all([page.waitForEvent('download'), spoken.getByRole('button', { name: 'Captions, SRT' }).click()]);
      assert.match(readFileSync(await file.path(), 'utf8'), /^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nIt costs \$5\.\n\n2\n/);
      await look(page, 'outputs-line');
    });
  } catch (error) {
    await page.screenshot({ path: join(process.env.TMPDIR ?? '/tmp', 'studio-voice-failed.png') }).catch(() => undefined);
    throw error;
  } finally {
    await browser.close();
  }
}
