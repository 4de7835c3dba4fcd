import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { connect, type Kedge, pipeline, schedule, trigger } from '#client';
import { workContract } from '#pipelines/contract';
import { type Client, createClient } from '#platform/contract';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const RESOURCES = [
  pipeline('report', {
    params: { day: { type: 'string' }, depth: { type: 'integer', default: 3, description: 'How deep.' } },
    partitions: { param: 'day', values: ['mon', 'tue', 'wed'] },
    steps: [
      { name: 'fit', command: ['/bin/true'], params: { day: '${params.day}', n: '${params.depth}' }, retries: 0 },
      { name: 'release', approval: {}, needs: ['fit'] },
    ],
  }),
  schedule('nightly', { pipeline: 'report', cron: '30 2 * * *', timeZone: 'Europe/Berlin', params: { day: 'mon' } }),
  trigger('hook', { pipeline: 'report', on: { webhook: true }, params: { day: '${event.day}' } }),
];

describe('runs, schedules and backfills in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let page: Page;
  let kedge: Kedge;
  let work: Client<typeof workContract>;

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    kedge = connect({ url: platform.url });
    work = createClient(workContract, { baseUrl: platform.url });
    await kedge.resources.applyResources({ body: { resources: RESOURCES } });
    browser = await launchChromium();
    page = await browser.newPage();
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  /** Plays a worker that ends one attempt. */
  async function does(step: string, succeeds: boolean): Promise<void> {
    const { attempts } = await work.leaseWork({ body: { worker: 'w', slots: 1, waitMs: 10_000 } });
    assert.equal(attempts[0]?.step, step);
    const { attempt, epoch } = attempts[0];
    const error = { kind: 'threw' as const, message: 'no such file' };
    const failed = { status: 'failed' as const, epoch, error };
    const body = succeeds ? { status: 'succeeded' as const, epoch, outputs: {} } : failed;
    await work.finishWork({ params: { attempt }, body });
  }

  const dialog = () => page.getByRole('dialog');
  const confirm = async (name: string): Promise<void> => {
    await dialog().getByRole('button', { name, exact: true }).click();
    await dialog().waitFor({ state: 'hidden' });
  };

  test('a schedule shows its next ticks in its zone, and is paused and resumed', async () => {
    await page.goto(`${platform.url}/schedules`);
    await page.getByRole('link', { name: 'nightly' }).click();
    await page.getByRole('heading', { name: 'Next ticks of nightly' }).waitFor();
    await page.getByText('signed requests').waitFor();
    assert.equal(await page.locator('.tick-list li').count(), 20);
    assert.match((await page.locator('.tick-list li').first().textContent()) ?? '', /^\d{4}-\d\d-\d\d 0[23]:[03]0 \+0/);
    await page.getByRole('button', { name: 'Pause' }).click();
    await dialog().getByLabel('Reason').fill('audit');
    await confirm('Pause');
    await page.getByText('held paused').waitFor();
    assert.equal((await kedge.schedules.getSchedule({ params: { schedule: 'nightly' } })).pauseReason, 'audit');
    await page.getByRole('button', { name: 'Resume' }).click();
    await confirm('Resume');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
  });

  test('a run is started by a form, resumed after a failure, approved and done again', async () => {
    await page.goto(`${platform.url}/pipelines/report`);
    await page.locator('header').getByRole('button', { name: 'Run', exact: true }).click();
    await dialog().getByLabel(/^day/).fill('mon');
    await dialog()
      .getByLabel(/^depth/)
      .fill('5');
    await confirm('Start the run');
    const [first] = (await kedge.pipelines.listPipelineRuns({ query: { pipeline: 'report' } })).items;
    assert.deepEqual(first?.params, { day: 'mon', depth: 5 });
    await does('fit', false);
    await page.goto(`${platform.url}/runs/${first?.run}`);
    await page.getByRole('button', { name: 'Resume' }).click();
    await confirm('Start the run');
    await does('fit', true);
    const [resumed] = (await kedge.pipelines.listPipelineRuns({ query: { pipeline: 'report', limit: 1 } })).items;
    assert.equal(resumed?.origin, first?.run);
    await page.goto(`${platform.url}/runs/${resumed?.run}?step=release`);
    await page.getByRole('button', { name: 'Approve' }).click();
    await dialog().getByLabel('Reason').fill('looked');
    await confirm('Approve');
    await page.getByText('approved by user:local: looked').first().waitFor();
    await page.getByRole('button', { name: 'Run again from here' }).click();
    await confirm('Start the run');
    const { items } = await kedge.pipelines.listPipelineRuns({ query: { pipeline: 'report' } });
    assert.equal(items.length, 3);
  });

  test('partitions are a matrix, and a backfill does those that are missing', async () => {
    await page.goto(`${platform.url}/pipelines/report?tab=partitions`);
    await page.getByText('tue: missing').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Backfill' }).click();
    await confirm('Start the backfill');
    await page.getByText('tue: queued').waitFor({ state: 'attached' });
    const backfills = page.getByRole('table', { name: 'backfills' });
    await backfills.getByRole('button', { name: 'Cancel' }).click();
    await confirm('Cancel the backfill');
    await page.getByText('tue: cancelled').waitFor({ state: 'attached' });
    assert.equal((await kedge.backfills.listBackfills()).items[0]?.status, 'cancelled');
  });
});
