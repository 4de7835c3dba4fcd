import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { connect, type Kedge } from '#client';
import { digestOf } from '#core/hash';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { openPage } from './fixtures/open-page.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const BLOCK_MS = 10_000;
const ENDPOINT = {
  kind: 'endpoint',
  name: 'offers',
  spec: {
    model: 'offer',
    challengers: 'manual',
    rollout: {
      strategy: 'canary',
      live: { bake: '1m', requestsMin: 100 },
      checks: { golden: { tolerance: 0.05 }, load: { rate: 50 } },
    },
  },
};

/** A journey through a live rollout: what it is decided by, its checks, and the bundle of one that was taken back. */
describe('live rollouts in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let kedge: Kedge;
  let rollout = '';
  const pictures = process.env['KEDGE_TEST_SCREENSHOTS'];

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    kedge = connect({ url: platform.url });
    await kedge.resources.applyResources({ body: { resources: [ENDPOINT] } });
    await kedge.serving.startRollout({ params: { endpoint: 'offers' }, body: { version: await register('one') } });
    const requests = [{ name: 'vip', inputs: { amount: 10, plan: 'gold' }, expected: 0.8 }];
    await kedge.serving.addGolden({ params: { endpoint: 'offers' }, body: { requests } });
    const body = { version: await register('two') };
    rollout = (await kedge.serving.startRollout({ params: { endpoint: 'offers' }, body })).id;
    browser = await launchChromium();
    if (pictures) mkdirSync(pictures, { recursive: true });
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  async function register(content: string): Promise<number> {
    const { id: run } = await kedge.tracking.createTrackingRun({ body: { experiment: 'offer' } });
    const bytes = new TextEncoder().encode(content);
    const upload = { contentType: 'application/octet-stream', bytes };
    await kedge.tracking.putArtifact({ params: { run }, query: { path: 'model.onnx' }, upload });
    const artifacts = [{ path: 'model.onnx', digest: digestOf(bytes), bytes: bytes.length }];
    const inputs = [
      { name: 'amount', kind: 'numeric' as const },
      { name: 'plan', kind: 'category' as const },
    ];
    const body = { artifacts, signature: { inputs, output: 'probability' as const } };
    return (await kedge.registry.registerVersion({ params: { model: 'offer' }, body })).version;
  }

  const start = Date.UTC(2026, 0, 5, 9);
  const block = (number: number, failures: number) => {
    const slow = 0.2 * Math.sin(number / 4);
    return {
      ...{ rollout, source: 'gw_1', start: start + number * BLOCK_MS, end: start + (number + 1) * BLOCK_MS },
      weight: 5,
      current: { answered: 190, logLatencySum: 190 * (3 + slow), scored: 200, failures: 0 },
      candidate: { answered: 10, logLatencySum: 10 * (3.1 + slow), scored: 200, failures },
      pairs: { count: 200, flips: 12 },
      assigned: { current: 190, candidate: 10 },
      odd: [...Array(Math.min(failures, 3)).keys()].map((i) => ({
        ...{ id: `p${number}-${i}`, at: start, kind: 'failed' as const, text: 'the model answered NaN' },
        ...{ currentScore: 0.31, candidateScore: null, latencyMs: 4 },
      })),
      logs: failures > 0 ? [{ at: start, level: 'warn' as const, text: 'offer@2 answered NaN endpoint=offers' }] : [],
    };
  };

  /** In both themes where pictures are asked for. */
  async function picture(page: Page, name: string): Promise<void> {
    if (!pictures) return;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor({ state: 'attached' });
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`), fullPage: true });
    }
  }

  test('it shows the checks, then each measure against its limit, and the bundle once it was taken back', async () => {
    const { page, close } = await openPage(browser, `${platform.url}/endpoints/offers`);
    await page.getByText('It waits for a gateway to run the checks before traffic.').waitFor();
    const figures = { requests: 1 };
    const results = [
      {
        check: 'golden' as const,
        passed: true,
        sentence: 'offer@2 answered 1 of 1 golden requests',
        figures,
        details: [],
      },
      {
        check: 'load' as const,
        passed: true,
        sentence: 'At 50 requests a second 99 % took 3 ms',
        figures,
        details: [],
      },
    ];
    await kedge.serving.reportChecks({ body: { rollout, source: 'gw_1', results } });
    for (let number = 0; number < 60; number++) await kedge.serving.observeRollout({ body: block(number, 0) });
    await page.goto(`${platform.url}/endpoints/offers`);
    await page.getByText('offer@2 answered 1 of 1 golden requests', { exact: true }).waitFor();
    await page.getByRole('figure', { name: /^errors/ }).waitFor();
    await page.getByRole('figure', { name: /^Latency by block/ }).waitFor();
    await page.getByRole('button', { name: 'latency', exact: true }).click();
    await page.getByRole('figure', { name: /^latency, time/ }).waitFor();
    await picture(page, 'rollout-live');

    await kedge.serving.observeRollout({ body: block(60, 60) });
    await page.goto(`${platform.url}/endpoints/offers`);
    await page.getByText('Find the cause, then unlock the endpoint.').waitFor();
    await page.getByText(/offer@2 answered NaN endpoint=offers/).waitFor();
    assert.equal(await page.getByRole('region', { name: 'Requests' }).getByText('the model answered NaN').count(), 3);
    await picture(page, 'rollout-bundle');

    await page.goto(`${platform.url}/endpoints/offers?tab=predictions`);
    await page.getByLabel('amount').fill('12.5');
    await page.getByLabel('plan').fill('gold');
    await page.getByText('"amount": 12.5').waitFor();
    await picture(page, 'endpoint-try');
    await close();
  });
});
