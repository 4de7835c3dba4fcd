import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { connect, type Kedge } from '#client';
import { digestOf } from '#core/hash';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { openPage } from './fixtures/open-page.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const BLOCK_MS = 10_000;
const ARMS = { small: 20, wide: 20, deep: 20 };
const ENDPOINT = {
  kind: 'endpoint',
  name: 'offers',
  spec: {
    model: 'offer',
    challengers: 'manual',
    rollout: {
      strategy: 'ab',
      live: {
        metric: { name: 'revenue', margin: 0.01 },
        arms: Object.entries(ARMS).map(([name, share], i) => ({ name, share, version: i + 2 })),
      },
    },
  },
};

/** A rollout of several candidates as people see it: side by side, and one that was taken out. */
describe('several candidates in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let kedge: Kedge;
  let rollout = '';
  const pictures = process.env['KEDGE_TEST_SCREENSHOTS'];

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    kedge = connect({ url: platform.url });
    await kedge.resources.applyResources({ body: { resources: [ENDPOINT] } });
    for (const content of ['one', 'two', 'three', 'four']) await register(content);
    await kedge.serving.startRollout({ params: { endpoint: 'offers' }, body: { version: 1 } });
    rollout = (await kedge.serving.startRollout({ params: { endpoint: 'offers' }, body: {} })).id;
    browser = await launchChromium();
    if (pictures) mkdirSync(pictures, { recursive: true });
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  async function register(content: string): Promise<void> {
    const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'offer' } });
    const bytes = new TextEncoder().encode(content);
    const upload = { contentType: 'application/octet-stream', bytes };
    await kedge.tracking.putArtifact({ params: { run }, query: { path: 'model.onnx' }, upload });
    const artifacts = [{ path: 'model.onnx', digest: digestOf(bytes), bytes: bytes.length }];
    const inputs = [{ name: 'amount', kind: 'numeric' as const }];
    const body = { artifacts, signature: { inputs, output: 'probability' as const } };
    await kedge.registry.registerVersion({ params: { model: 'offer' }, body });
  }

  const start = Date.UTC(2026, 0, 5, 9);
  const times = (number: number) => ({
    ...{ source: 'gw_1', start: start + number * BLOCK_MS, end: start + (number + 1) * BLOCK_MS },
  });
  const wave = (number: number, by: number): number => Math.sin(1.7 * number + by);

  async function tell(number: number, failures: Partial<Record<keyof typeof ARMS, number>>): Promise<void> {
    const seen = (requests: number, by: number, failed = 0) => ({
      ...{ answered: requests - failed, scored: requests, failures: failed },
      logLatencySum: (requests - failed) * (3 + 0.05 * by + 0.02 * wave(number, by)),
    });
    const names = Object.keys(ARMS) as (keyof typeof ARMS)[];
    const arms = names.map((name, i) => [name, { ...seen(200, i, failures[name]), weight: ARMS[name], assigned: 200 }]);
    await kedge.serving.observeRollout({
      body: {
        ...{ rollout, ...times(number), weight: 60, current: seen(400, 0), candidate: seen(600, 1), odd: [] },
        ...{
          arms: Object.fromEntries(arms),
          pairs: { count: 0, flips: 0 },
          assigned: { current: 400, candidate: 600 },
        },
      },
    });
    const earned = (requests: number, mean: number, by: number) => ({
      ...{ requests, sum: requests * (mean + 0.02 * wave(number, by)) },
    });
    const means = { small: 0.312, wide: 0.33, deep: 0.306 };
    const sums = names.map((name, i) => [name, earned(200, means[name], i + 1)]);
    const body = { ...times(number), current: earned(400, 0.3, 0), arms: Object.fromEntries(sums) };
    await kedge.serving.reportOutcomes({ params: { rollout }, body });
  }

  test('it compares the arms, draws their sequences, and says which was taken out and why', async () => {
    for (let number = 0; number < 30; number++) await tell(number, number === 4 ? { deep: 80 } : {});
    const { page, close } = await openPage(browser, `${platform.url}/endpoints/offers`);
    await page.getByRole('figure', { name: 'Metric of each arm against the current revision' }).waitFor();
    await page.getByText('out: worse').waitFor();
    await page
      .getByText(/^Arm 'deep' is taken out: errors rose/)
      .first()
      .waitFor();
    await page.getByText(/small \(offer@2\) answers 25 % · wide \(offer@3\) answers 25 %/).waitFor();
    await page.getByRole('button', { name: 'wide', exact: true }).click();
    await page.getByRole('button', { name: 'metric', exact: true }).click();
    await page.getByRole('figure', { name: /^metric of wide, time/ }).waitFor();
    assert.equal(await page.locator('.arm-intervals circle').count(), 2);
    if (pictures) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor({ state: 'attached' });
        await page.screenshot({ path: join(pictures, `arms-${colorScheme}.png`), fullPage: true });
      }
    }
    await page.getByRole('button', { name: 'Take out' }).click();
    await page.getByRole('combobox').selectOption('small');
    await page.getByLabel('Why', { exact: true }).fill('too dear');
    await page.getByRole('button', { name: 'Take it out' }).click();
    await page.getByText('out: by hand').waitFor();
    await close();
  });
});
