import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedWorld, serveWorld } from './fixtures/serve-world.ts';
import { soon, soonEqual } from './fixtures/soon.ts';

const SIZES = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
] as const;
const THEMES = ['light', 'dark'] as const;

describe('the console', { skip: reasonToSkip() }, () => {
  let world: ServedWorld;
  let browser: Browser;
  const folder = process.env['KEDGE_TEST_SCREENSHOTS'] ?? mkdtempSync(join(tmpdir(), 'kedge-console-'));

  before(async () => {
    mkdirSync(folder, { recursive: true });
    world = await serveWorld();
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await world.close();
  });

  /** A page that ends the test when the console writes an error or throws. */
  async function open(
    path: string,
    options: { theme?: 'light' | 'dark'; size?: { width: number; height: number } } = {},
  ) {
    const { theme = 'light', size = SIZES[0] } = options;
    const context = await browser.newContext({ viewport: { ...size }, colorScheme: theme });
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(world.url + path);
    async function close(): Promise<void> {
      await context.close();
      assert.deepEqual(errors, []);
    }
    return { page, close };
  }

  for (const theme of THEMES) {
    for (const size of SIZES) {
      const name = `${theme}-${size.width}x${size.height}`;
      test(`leads from the loop to a run, an endpoint in canary and a drifting feature, ${name}`, async () => {
        const { page, close } = await open('/', { theme, size });
        const shoot = (view: string) => page.screenshot({ path: join(folder, `${view}-${name}.png`) });
        await visitHome(page);
        await shoot('home');
        await visitRun(page);
        await shoot('run');
        await visitCanary(page, world);
        await shoot('endpoint');
        await visitDrift(page);
        await shoot('drift');
        await close();
      });
    }
  }

  test('says nothing of a part of the loop before it is known, nor when there was no answer', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    let refuse = (): void => {};
    const held = new Promise<void>((resolve) => {
      refuse = resolve;
    });
    await page.route(/\/pipeline-runs\?/, async (route) => {
      await held;
      await route.abort();
    });
    await page.goto(world.url);
    await page.locator('[data-node=registry]').getByText('registered').waitFor();
    const box = page.locator('[data-node=pipeline]');
    assert.equal(await box.textContent(), 'Pipeline');
    await box.getByLabel('Loading').waitFor();
    refuse();
    await box.getByText('Not known').waitFor();
    await context.close();
  });

  test('moves nothing on the page of a run when its graph comes late', async () => {
    const { page, close } = await open('/');
    let send = (): void => {};
    const held = new Promise<void>((resolve) => {
      send = resolve;
    });
    await page.route(/graph-canvas/, async (route) => {
      await held;
      await route.continue();
    });
    await openRunning(page);
    const row = page.locator('.gantt-row', { hasText: 'tune' });
    await row.waitFor();
    const before = await row.boundingBox();
    assert.equal(await page.locator('.graph-node').count(), 0);
    send();
    await page.locator('.graph-node').first().waitFor();
    assert.deepEqual(await row.boundingBox(), before);
    await close();
  });

  test('unlocks an endpoint behind a dialog that names the effect and asks for a reason', async () => {
    const { page, close } = await open('/endpoints/delay-night');
    await page.getByText('Locked: no rollout starts until a person unlocks it.').waitFor();
    await page.getByRole('button', { name: 'Unlock' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('delay@1 answers all requests until a rollout has earned a share').waitFor();
    await dialog.getByRole('textbox').fill('the features of the night were corrected');
    await dialog.getByRole('button', { name: 'Unlock' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByText('Locked: no rollout starts').waitFor({ state: 'hidden' });
    await close();
  });

  test('says that it lost its stream of events, takes it up again and catches up', async () => {
    const { page, close } = await open('/endpoints/delay');
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    const hours = await comparedHours(page);
    const lost = page.getByText('Reconnecting').waitFor();
    world.dropStreams();
    world.compareAnotherHour();
    await lost;
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    await page.getByText(`in ${hours + 1} hours`).waitFor();
    await close();
  });

  test('keeps what is under the pointer in its place while news arrive', async () => {
    const { page, close } = await open('/');
    const first = page.locator('.timeline-item').first();
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    // What needs a person is told above the list, which it moves away from under the pointer when it comes.
    await page.getByText(/may not serve delay-night: leak-check/).waitFor();
    await page.locator('[data-node=pipeline]').getByText('running').waitFor();
    await first.hover();
    const before = await subjectsOf(page);
    world.applyResource('holiday');
    await page.getByRole('button', { name: '1 new above' }).waitFor();
    assert.deepEqual(await subjectsOf(page), before);
    await page.mouse.move(5, 5);
    await page.locator('.timeline-item').filter({ hasText: 'holiday' }).waitFor();
    await close();
  });

  test('keeps the filter, order and columns of a table in its address', async () => {
    const { page, close } = await open('/datasets/flights?q=status:held&sort=-rows&cols=batch,rows,status');
    await page.getByText('1 of 190').waitFor();
    await soonEqual(() => page.locator('thead th').allInnerTexts(), ['Batch', 'Status', 'Rows']);
    await page.getByRole('searchbox').fill('');
    await page.waitForURL(/\?sort=-rows&cols=/);
    await page.getByText('190', { exact: true }).waitFor();
    await soonEqual(() => page.locator('tbody td:last-child').first().textContent(), '8,298');
    await close();
  });

  test('shows the error of a page with the id of its request', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${world.url}/runs/run_nowhere`);
    const alert = page.getByRole('alert');
    await alert.getByText('fixture/not-found').waitFor();
    assert.match((await alert.textContent()) ?? '', /request req_/);
    await alert.getByRole('button', { name: 'Try again' }).waitFor();
    await context.close();
  });

  for (const theme of THEMES) {
    test(`gives text enough contrast for AA, ${theme}`, async () => {
      const { page, close } = await open('/', { theme });
      await page.locator('.loop-box').first().waitFor();
      const ratios = (await page.evaluate(contrastsOfTheme)) as Record<string, number>;
      const low = Object.entries(ratios).filter(([, ratio]) => ratio < 4.5);
      assert.ok(Object.keys(ratios).length >= 12);
      assert.deepEqual(low, []);
      await close();
    });
  }
});

async function visitHome(page: Page): Promise<void> {
  await page.locator('.loop-box').first().waitFor();
  await soonEqual(() => page.locator('.loop-box').count(), 7);
  await page.locator('[data-node=pipeline]').getByText('running').waitFor();
  await page.getByText('delay-night: delay@3 was rolled back', { exact: true }).waitFor();
  await page.getByText(/may not serve delay-night: leak-check/).waitFor();
  await page.getByText(/batches committed, [\d,]+ rows up to 12 May 2001/).waitFor();
}

/** Goes to the run that the loop tells of; as long as it tells of none it leads to the list of them. */
async function openRunning(page: Page): Promise<void> {
  const box = page.locator('[data-node=pipeline]');
  await box.getByText('running').waitFor();
  await box.click();
}

async function visitRun(page: Page): Promise<void> {
  await openRunning(page);
  await page.getByText('train (62 %)').waitFor();
  await page.getByText(/^tree 300:/).waitFor();
  await page.locator('.gantt-row', { hasText: 'tune' }).click();
  await page.waitForURL(/step=tune/);
  await reloaded(page);
  await page.locator('.gantt-row[aria-pressed=true]', { hasText: 'tune' }).waitFor();
  await page.getByText('"learningRate": 0.08').waitFor();
}

async function visitCanary(page: Page, world: ServedWorld): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('delay endpoint');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/endpoints\/delay$/);
  const hours = await comparedHours(page);
  world.compareAnotherHour();
  await page.getByText(`in ${hours + 1} hours`).waitFor();
  await assertLineIsDrawn(page, '.sequence canvas');
  await page.getByRole('button', { name: 'Show the hours as a table' }).click();
  await page.waitForURL(/view=table/);
  await reloaded(page);
  await page.getByRole('table', { name: 'compared hours' }).waitFor();
  await page.getByRole('button', { name: 'Show the chart' }).click();
  await page.locator('.sequence canvas').waitFor();
}

async function visitDrift(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'figures and drift' }).click();
  await page.locator('.chart canvas').first().waitFor();
  await page.getByRole('link', { name: 'Drift', exact: true }).click();
  const matrix = page.getByRole('application');
  await matrix.waitFor();
  const box = await matrix.boundingBox();
  assert.ok(box);
  await page.mouse.click(box.x + box.width - 3, box.y + 30);
  await page.waitForURL(/feature=.*window=\d+/);
  const address = page.url();
  const title = await page.locator('.pair caption').textContent();
  assert.match(title ?? '', /against 11 May 2001/);
  await reloaded(page);
  assert.equal(page.url(), address);
  await page.locator('.pair tbody tr').first().waitFor();
  await soonEqual(() => page.locator('.pair tbody tr').count(), 11);
  await soonEqual(() => page.locator('.pair caption').textContent(), title);
  await assertLineIsDrawn(page, '.chart canvas');
}

async function reloaded(page: Page): Promise<void> {
  await page.reload();
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
}

async function comparedHours(page: Page): Promise<number> {
  const verdict = page.locator('.sequence .verdict');
  await verdict.waitFor();
  return Number(/in (\d+) hours/.exec((await verdict.textContent()) ?? '')?.[1]);
}

async function subjectsOf(page: Page): Promise<string[]> {
  return page.locator('.timeline-item .timeline-text').allInnerTexts();
}

/** A line in the accent colour runs over the first canvas of the selector; axes and grid are of other colours. */
async function assertLineIsDrawn(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().waitFor();
  await soon(async () => {
    const pixels = (await page.evaluate(`(${countAccentPixels})(${JSON.stringify(selector)})`)) as number;
    assert.ok(pixels > 200, `the line in ${selector} has ${pixels} pixels`);
  });
}

const countAccentPixels = `(selector) => {
  const probe = document.createElement('span');
  probe.style.color = 'var(--accent)';
  document.body.append(probe);
  const accent = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const canvas = document.querySelector(selector);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] === accent[0] && data[at + 1] === accent[1] && data[at + 2] === accent[2]) count += 1;
  }
  return count;
}`;

/** Contrast, as WCAG 2 defines it, of each colour of text on each ground that it stands on. */
const contrastsOfTheme = `(() => {
  const probe = document.createElement('span');
  document.body.append(probe);
  const channels = (name) => {
    probe.style.color = 'var(--' + name + ')';
    return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  };
  const luminance = (name) => {
    const [r, g, b] = channels(name).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratios = {};
  for (const ground of ['bg', 'panel', 'hover', 'accent-soft']) {
    for (const text of ['ink', 'muted', 'accent', 'ok', 'warn', 'bad']) {
      const [high, low] = [luminance(text), luminance(ground)].sort((a, b) => b - a);
      ratios[text + ' on ' + ground] = (high + 0.05) / (low + 0.05);
    }
  }
  probe.remove();
  return ratios;
})()`;
