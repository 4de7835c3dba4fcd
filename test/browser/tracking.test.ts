import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { connect, type Kedge } from '#client';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { openPage } from './fixtures/open-page.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';
import { soonEqual } from './fixtures/soon.ts';

const RUNS = 620;
const POINTS = 3_000;

describe('runs in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let experiment = '';
  let curve = '';

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    const kedge = connect({ url: platform.url });
    await logSweep(kedge);
    curve = await logCurve(kedge);
    experiment = (await kedge.tracking.listExperiments({ query: { name: 'sweep' } })).items[0]?.id ?? '';
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  const open = (path: string) => openPage(browser, platform.url + path);

  test('only the runs in view are in the page, and scrolling brings the others until all are there', async () => {
    const { page, close } = await open(`/experiments/${experiment}?cols=run_name,metrics.auc&sort=-metrics.auc`);
    await page.getByText('250 of 620 runs loaded').waitFor();
    await page
      .locator('tbody tr')
      .first()
      .filter({ hasText: /run-619.*0\.619/ })
      .waitFor();
    await page.locator('.table-scroller').hover();
    for (const loaded of ['500 of 620 runs loaded', '620 runs']) {
      await page.mouse.wheel(0, 20_000);
      await page.getByText(loaded, { exact: true }).waitFor();
    }
    await page.mouse.wheel(0, 20_000);
    await page.getByRole('link', { name: 'run-0', exact: true }).waitFor();
    assert.ok((await page.locator('tbody tr').count()) < 100);
    await close();
  });

  test('a filter is completed, shows where it is wrong, and stays in the address with order and columns', async () => {
    const { page, close } = await open(`/experiments/${experiment}`);
    const box = page.getByRole('combobox', { name: 'Filter runs' });
    await page.getByText('250 of 620 runs loaded').waitFor();
    await page.keyboard.press('/');
    await box.pressSequentially('opt');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('.filter-error').getByText('expected an operator, found the end').waitFor();
    await box.pressSequentially(' = ');
    await page.getByRole('option', { name: "'adam'" }).click();
    await box.pressSequentially('AND metrics.auc >= 0.6');
    await page.keyboard.press('Enter');
    await page.getByText('10 runs', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'auc', exact: true }).click();
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('searchbox', { name: 'Find a column' }).fill('team');
    await page.getByRole('checkbox', { name: 'team' }).check();
    await page.keyboard.press('Escape');
    await page.reload();
    await page.getByText('10 runs', { exact: true }).waitFor();
    await soonEqual(() => box.inputValue(), "params.optimizer = 'adam' AND metrics.auc >= 0.6");
    await soonEqual(() => page.locator('tbody tr').first().getByRole('link').allInnerTexts(), ['run-618']);
    await page.locator('thead th').getByText('team', { exact: true }).waitFor();
    await close();
  });

  test('a view is saved under a name and opened again', async () => {
    const { page, close } = await open(`/experiments/${experiment}?filter=metrics.auc+%3C+0.1&sort=metrics.auc`);
    await page.getByText('100 runs', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Views' }).click();
    await page.getByLabel('Name of the view').fill('weak ones');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.goto(`${platform.url}/experiments/${experiment}`);
    await page.getByRole('button', { name: 'Views' }).click();
    await page.getByRole('link', { name: 'weak ones' }).click();
    await page.getByText('100 runs', { exact: true }).waitFor();
    await close();
  });

  test('runs are picked with the keyboard and compared: what differs, and their curves', async () => {
    const { page, close } = await open(`/experiments/${experiment}?sort=-metrics.auc`);
    await page.getByText('250 of 620 runs loaded').waitFor();
    for (const key of ['j', 'x', 'j', 'x']) await page.keyboard.press(key);
    await page.getByRole('link', { name: 'Compare 2' }).waitFor();
    await page.keyboard.press('c');
    const table = page.getByRole('table', { name: 'Runs side by side' });
    await table.getByRole('link', { name: 'run-619', exact: true }).waitFor();
    await table.getByRole('row', { name: /^optimizer sgd adam/ }).waitFor();
    assert.equal(await table.getByRole('row', { name: /^depth/ }).count(), 0, 'depth is the same in both');
    await page.getByRole('button', { name: 'Everything' }).click();
    await table.getByRole('row', { name: /^depth/ }).waitFor();
    await page.getByRole('link', { name: 'Curves', exact: true }).click();
    await page.getByRole('figure', { name: /^auc/ }).locator('canvas').waitFor();
    await close();
  });

  test('a curve has all of its points, is smoothed and drawn on a logarithmic axis by its address', async () => {
    const { page, close } = await open(`/experiments/-/runs/${curve}?tab=curves`);
    await page.getByText('step · 3,000 points').waitFor();
    await page.getByRole('button', { name: 'Log', exact: true }).click();
    await page.getByRole('slider').press('ArrowRight');
    await page.waitForURL(/y=log&smooth=0.6/);
    const canvas = page.getByRole('figure', { name: /^loss/ }).locator('canvas');
    const box = await canvas.boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + 200, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 400, box.y + 100, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+.*to=\d+/);
    await page.reload();
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.waitForURL((url) => !url.search.includes('from='));
    await close();
  });

  test('the points of a run that is on are drawn as they come', async () => {
    const kedge = connect({ url: platform.url });
    const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'curves', name: 'still on' } });
    const log = (steps: readonly number[]) =>
      kedge.tracking.logToTrackingRun({
        params: { run },
        body: {
          metrics: steps.map((step) => ({ key: 'loss', value: step, step, timestamp: 1_700_000_000_000 + step })),
        },
      });
    await log([0, 1, 2]);
    const { page, close } = await open(`/experiments/-/runs/${run}?tab=curves`);
    await page.getByText('step · 3 points').waitFor();
    await log([3, 4]);
    await page.getByText('step · 5 points').waitFor();
    await close();
  });

  test('a link of an MLflow client leads to a run, and its files are read in the page', async () => {
    const { page, close } = await open(`/#/experiments/${experiment}/runs/${curve}`);
    await page.getByRole('heading', { name: 'the curve' }).waitFor();
    await page.getByRole('link', { name: 'Files' }).click();
    await page.getByRole('link', { name: 'notes.json' }).click();
    await page.getByText('"threshold": 0.42').waitFor();
    await page.getByRole('link', { name: 'by-carrier.csv' }).click();
    await page.getByRole('cell', { name: 'Delta, Inc' }).waitFor();
    await page.getByRole('link', { name: 'dot.svg' }).click();
    const image = page.getByRole('img', { name: 'plots/dot.svg' });
    await image.waitFor();
    await soonEqual(() => page.evaluate("document.querySelector('.files-image').naturalWidth"), 20);
    await page.reload();
    await image.waitFor();
    await close();
  });

  test('parallel coordinates draw a line a run over what differs', async () => {
    const { page, close } = await open(
      `/experiments/${experiment}?tab=parallel&cols=params.optimizer,params.depth,metrics.auc`,
    );
    await page.getByText('250 runs', { exact: true }).waitFor();
    await soonEqual(() => page.locator('.parallel-line').count(), 250);
    const names = "[...document.querySelectorAll('.parallel-name')].map((name) => name.firstChild.textContent)";
    await soonEqual(() => page.evaluate(names), ['optimizer', 'auc']);
    await close();
  });

  test('an experiment that is not there says so with the id of the request', async () => {
    const { page, close } = await open('/experiments/999');
    await page.getByRole('alert').getByText('tracking/experiment-not-found').waitFor();
    await close();
  });
});

async function logSweep(kedge: Kedge): Promise<void> {
  const logRun = async (i: number): Promise<void> => {
    const { id: run } = await kedge.tracking.createTrackingRun({
      body: {
        experiment: 'sweep',
        name: `run-${i}`,
        startedAt: 1_700_000_000_000 + i * 60_000,
        params: { optimizer: i % 2 ? 'sgd' : 'adam', depth: '6' },
        tags: { team: 'risk' },
      },
    });
    await kedge.tracking.logToTrackingRun({ params: { run }, body: { metrics: [{ key: 'auc', value: i / 1_000 }] } });
  };
  for (let from = 0; from < RUNS; from += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => logRun(from + i)));
  }
}

async function logCurve(kedge: Kedge): Promise<string> {
  const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'curves', name: 'the curve' } });
  for (let from = 0; from < POINTS; from += 1_000) {
    const metrics = Array.from({ length: 1_000 }, (_, i) => ({
      key: 'loss',
      value: 1 / (1 + from + i),
      step: from + i,
      timestamp: 1_700_000_000_000 + (from + i) * 1_000,
    }));
    await kedge.tracking.logToTrackingRun({ params: { run }, body: { metrics } });
  }
  const files = {
    'notes.json': '{"threshold":0.42}',
    'tables/by-carrier.csv': 'carrier,flights\n"Delta, Inc",990\nUnited,877\n',
    'plots/dot.svg':
      '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><circle cx="10" cy="10" r="8"/></svg>',
  };
  for (const [path, text] of Object.entries(files)) {
    const upload = { contentType: 'application/octet-stream', bytes: new TextEncoder().encode(text) };
    await kedge.tracking.putArtifact({ params: { run }, query: { path }, upload });
  }
  await kedge.tracking.finishTrackingRun({ params: { run }, body: { status: 'finished' } });
  return run;
}
