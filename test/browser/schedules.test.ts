import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { connect, freeze, type Kedge, pipeline, schedule, trigger } from '#client';
import { workContract } from '#pipelines/contract';
import { type Client, createClient } from '#platform/contract';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';
import { soonEqual } from './fixtures/soon.ts';

/** Enough steps that are alike for the graph to put them together, in two layers. */
const PARTS = Array.from({ length: 20 }, (_, part) => [
  { name: `clean_${part}`, command: ['/bin/true'], needs: ['plan'], params: { part }, cache: false },
  { name: `check_${part}`, command: ['/bin/true'], needs: [`clean_${part}`], params: { part }, cache: false },
]);

const RESOURCES = [
  pipeline('wide', {
    steps: [
      { name: 'plan', command: ['/bin/true'], cache: false },
      ...PARTS.flat(),
      { name: 'join', command: ['/bin/true'], needs: PARTS.map((_, part) => `check_${part}`) },
    ],
  }),
  pipeline('report', {
    params: { day: { type: 'string' }, depth: { type: 'integer', default: 3, description: 'How deep.' } },
    partitions: { param: 'day', values: ['mon', 'tue', 'wed'] },
    steps: [
      { name: 'fit', command: ['/bin/true'], params: { day: '${params.day}', n: '${params.depth}' }, retries: 0 },
      { name: 'release', approval: {}, needs: ['fit'] },
    ],
  }),
  pipeline('many', {
    steps: [{ name: 'part', command: ['/bin/true'], map: { items: ['north', 'south'] }, cache: false, retries: 0 }],
  }),
  schedule('nightly', { pipeline: 'report', cron: '30 2 * * *', timeZone: 'Europe/Berlin', params: { day: 'mon' } }),
  freeze('closed', { reason: 'Books are closed.', from: '2096-01-09T06:00:00Z', to: '2096-01-10T00:00:00Z' }),
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
    await soonEqual(() => page.locator('.tick-list li').count(), 20);
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

  test('a calendar shows the ticks to come in a time zone and the days that are frozen', async () => {
    await page.goto(`${platform.url}/schedules?tab=calendar&by=month&on=2096-01-05`);
    await page.getByText('January 2096').waitFor();
    await page.locator('.calendar-day', { hasText: '9 Jan' }).getByText('frozen: Books are closed.').waitFor();
    const soon = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10);
    await page.goto(`${platform.url}/schedules?tab=calendar&by=month&on=${soon}`);
    const tick = page.locator('.calendar-tick', { hasText: 'nightly' }).first();
    await tick.waitFor();
    assert.match((await tick.textContent()) ?? '', /^0[01]:[03]0nightlyscheduled$/);
    await page.getByRole('combobox', { name: 'Time zone' }).selectOption('Europe/Berlin');
    await page.waitForURL(/zone=Europe/);
    await page
      .locator('.calendar-time', { hasText: /^0[23]:[03]0$/ })
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Week' }).click();
    await page.getByRole('link', { name: 'The next week' }).click();
    await page.waitForURL(/on=\d{4}-\d\d-\d\d/);
    await page.reload();
    await page.locator('.calendar-tick', { hasText: 'nightly' }).first().waitFor();
    await soonEqual(() => page.locator('.calendar-day').count(), 7);
    await page.locator('.calendar-tick', { hasText: 'nightly' }).first().click();
    await page.getByRole('heading', { name: 'Next ticks of nightly' }).waitFor();
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

  test('two runs are picked and compared, and the address of the comparison shows the same again', async () => {
    await page.goto(`${platform.url}/pipelines/report`);
    const boxes = page.getByRole('checkbox');
    await boxes.nth(2).check();
    await page.getByText('One run is picked').waitFor();
    await boxes.nth(1).check();
    await page.getByRole('link', { name: 'Compare the two' }).click();
    await page.waitForURL(/\/runs\/compare\?a=prun_.+&b=prun_/);
    await page.getByText('Both were made from the same.').waitFor();
    const steps = page.getByRole('table', { name: 'steps', exact: true });
    await steps.getByRole('row', { name: /^fit not done in both failed succeeded/ }).waitFor();
    await steps.getByRole('link', { name: 'fit' }).click();
    await page.getByText('All that goes into its cache key is equal').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Step fit' }).waitFor();
    await page.goto(`${platform.url}/runs/compare?a=prun_nowhere&b=prun_nobody`);
    await page.getByRole('alert').getByText('pipelines/run-not-found').waitFor();
  });

  test('runs are filtered by what started them, by status and time, all in the address', async () => {
    await page.goto(`${platform.url}/runs?status=failed&pipeline=report`);
    const rows = page.getByRole('table', { name: 'runs' }).locator('tbody tr');
    await rows.first().waitFor();
    await soonEqual(() => rows.count(), 1);
    await page.getByRole('combobox', { name: 'Started by' }).selectOption('schedule');
    await page.waitForURL(/cause=schedule/);
    await page.getByText('No run is like that.').waitFor();
    await page.getByRole('combobox', { name: 'Started by' }).selectOption('user');
    await page.getByRole('combobox', { name: 'Time' }).selectOption('1h');
    await rows.first().waitFor();
    await page.reload();
    await rows.first().waitFor();
    await soonEqual(() => page.getByRole('combobox', { name: 'Time' }).inputValue(), '1h');
    await page.goto(`${platform.url}/runs?since=between&to=2001-01-01`);
    await page.getByText('No run is like that.').waitFor();
  });

  test('a log is read from its end in colour, scrolled and searched, and each line has an address', async (t) => {
    const body = { params: { day: 'wed' } };
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'report' }, body });
    const { attempts } = await work.leaseWork({ body: { worker: 'w', slots: 1, waitMs: 10_000 } });
    assert.ok(attempts[0]);
    const { attempt, epoch } = attempts[0];
    const beat = () => work.heartbeatWork({ params: { attempt }, body: { epoch } });
    await beat();
    const beating = setInterval(() => void beat().catch(() => {}), 500);
    t.after(() => clearInterval(beating));
    const write = (first: number, count: number) => {
      const lines = Array.from({ length: count }, (_, at) => {
        const text = `\u001b[32mline ${first + at}\u001b[0m${first + at === 700 ? ' Needle' : ''}`;
        return { seq: first + at, at: 5, stream: 'stdout' as const, text };
      });
      return work.appendWorkLog({ params: { attempt }, body: { epoch, lines } });
    };
    for (const first of [1, 501, 1_001]) await write(first, 500);
    await page.goto(`${platform.url}/runs/${run}?step=fit`);
    const log = page.getByRole('log');
    await log.locator('.ansi-fg-2', { hasText: /^line 1500$/ }).waitFor();
    await page.getByText('lines 501 to 1,500').waitFor();
    await write(1_501, 1);
    await log.locator('.ansi-fg-2', { hasText: /^line 1501$/ }).waitFor();
    await log.evaluate((element) => element.scrollTo(0, 0));
    await page.getByText('1,501 lines, follows').waitFor();
    await page.getByRole('searchbox', { name: 'Find in the log' }).fill('needle');
    await log.locator('mark', { hasText: 'Needle' }).waitFor();
    await log.getByRole('link', { name: '700' }).click();
    await page.waitForURL(/line=1010000700/);
    await log.locator('.log-line[data-marked]', { hasText: 'line 700 Needle' }).waitFor();
    await page.reload();
    await log.locator('.log-line[data-marked]', { hasText: 'line 700 Needle' }).waitFor();
    await page.getByRole('button', { name: /^Resume ?: the run goes on; one that failed/ }).waitFor();
    await kedge.pipelines.cancelPipelineRun({ params: { run }, body: {} });
    await work.finishWork({ params: { attempt }, body: { status: 'stopped', epoch } });
    await page.getByRole('button', { name: /^Cancel ?: the run was cancelled/ }).waitFor();
  });

  test('a graph puts steps that are alike together, opens them, finds one and shows what is around it', async () => {
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'wide' }, body: {} });
    await page.goto(`${platform.url}/runs/${run}`);
    const nodes = page.locator('.graph-node');
    await page.getByText('42 steps as 4: those alike are together').waitFor();
    await nodes.filter({ hasText: 'clean_…' }).click();
    await page.waitForURL(/open=clean_0/);
    await nodes.filter({ hasText: 'clean_13' }).waitFor();
    await soonEqual(() => nodes.count(), 23);
    await page.getByRole('searchbox', { name: 'Find a step' }).fill('check_7');
    await page.getByText('1 found').waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/step=check_7/);
    await page.locator('.graph-node[aria-pressed=true]', { hasText: 'check_7' }).waitFor();
    await page.getByRole('button', { name: 'Only around check_7' }).click();
    await page.getByText('4 steps', { exact: true }).waitFor();
    await page.reload();
    await page.locator('.graph-node[aria-pressed=true]', { hasText: 'check_7' }).focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.graph-node[aria-pressed=true]', { hasText: 'clean_7' }).waitFor();
    await page.locator('.gantt-row[aria-pressed=true]', { hasText: 'clean_7' }).waitFor();
    await kedge.pipelines.cancelPipelineRun({ params: { run }, body: {} });
    await page.locator('.graph-node[data-status=cancelled]').first().waitFor();
  });

  test('a divided step lists its units by state, and each has a log', async () => {
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'many' }, body: {} });
    await does('part:0', true);
    await page.goto(`${platform.url}/runs/${run}?step=part`);
    const units = page.getByRole('table', { name: 'units' });
    await units.getByRole('row', { name: /^part:1 queued south/ }).waitFor();
    await page.getByRole('button', { name: 'succeeded 1' }).click();
    await units.getByRole('row', { name: /^part:1/ }).waitFor({ state: 'detached' });
    await units.getByRole('link', { name: 'part:0' }).click();
    await page.getByText('The step wrote nothing.').waitFor();
    await kedge.pipelines.cancelPipelineRun({ params: { run }, body: {} });
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
    await page.getByRole('button', { name: 'By step' }).click();
    await page.waitForURL(/by=steps/);
    await page.getByRole('link', { name: /^mon, release: / }).waitFor();
    await page.getByRole('link', { name: 'tue, fit: cancelled' }).waitFor();
    await page.getByRole('checkbox', { name: /^only the . without/ }).check();
    await page.waitForURL(/missing=1/);
    await page.goto(`${platform.url}/pipelines/report?tab=partitions&by=runs`);
    await page.getByRole('link', { name: /^mon, run of .+: failed$/ }).waitFor();
    await page.getByRole('link', { name: /^tue, run of .+: cancelled$/ }).click();
    await page.waitForURL(/\/runs\/prun_/);
    assert.equal((await kedge.backfills.listBackfills()).items[0]?.status, 'cancelled');
  });
});
