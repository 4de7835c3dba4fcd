import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { connect, pipeline } from '#client';
import { workContract } from '#pipelines/contract';
import { createClient } from '#platform/contract';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

/** More than one request of a search looks at. */
const LINES = 260_000;
const BATCH = 2_000;
const HEARTBEAT_MS = 1_000;
const WORKER = { worker: 'w', instance: 'i', slots: 1 };

describe('the log of a step in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let page: Page;
  let heartbeat: NodeJS.Timeout | undefined;
  let append: (from: number, to: number) => Promise<void>;

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    const kedge = connect({ url: platform.url });
    const work = createClient(workContract, { baseUrl: platform.url });
    const talks = pipeline('talks', { steps: [{ name: 'talk', command: ['/bin/true'], timeout: '1h' }] });
    await kedge.resources.applyResources({ body: { resources: [talks] } });
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'talks' }, body: {} });
    const { attempts } = await work.leaseWork({ body: WORKER });
    const { attempt, epoch } = attempts[0]!;
    append = async (from, to) => {
      for (let first = from; first <= to; first += BATCH) {
        const lines = Array.from({ length: Math.min(BATCH, to - first + 1) }, (_, i) => {
          return { seq: first + i, at: 0, stream: 'stdout' as const, text: `said ${first + i}.` };
        });
        await work.appendWorkLog({ params: { attempt }, body: { epoch, lines } });
      }
    };
    // As a worker does, so that the step stays its own however long the tests take.
    const beat = (): Promise<unknown> => work.heartbeatWork({ params: { attempt }, body: { epoch } });
    // One that fails is told by the lines that are refused after it.
    heartbeat = setInterval(() => void beat().catch(() => undefined), HEARTBEAT_MS);
    await append(1, LINES);
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(`${platform.url}/runs/${run}?step=talk`);
  });
  after(async () => {
    clearInterval(heartbeat);
    await browser?.close();
    await platform?.close();
  });

  const line = (number: number) => page.getByText(`said ${number}.`, { exact: true });
  const rows = () => page.locator('.log-line').count();

  test('begins at the end, goes to the start and back, and never holds more than what is seen', async () => {
    await line(LINES).waitFor();
    await page.getByText('lines 259,001 to 260,000').waitFor();
    await page.getByRole('button', { name: 'To the start' }).click();
    await line(1).waitFor();
    await page.getByText('lines 1 to 1,000').waitFor();
    assert.ok((await rows()) < 200);
    await page.getByRole('button', { name: 'To the end' }).click();
    await line(LINES).waitFor();
  });

  test('stays at the end of a step that writes more than a page at a time', async () => {
    await append(LINES + 1, LINES + 3 * BATCH);
    await line(LINES + 3 * BATCH).waitFor();
    assert.ok((await rows()) < 200);
  });

  test('finds a line that is far from the end, and says so when there is none', async () => {
    const search = page.getByLabel('Find in the log');
    await search.fill('SAID 7.');
    await page.locator('.log-line mark').getByText('said 7.').waitFor();
    await page.getByText('1 line with “SAID 7.”').waitFor();
    await search.fill('never said');
    await page.getByText('No line has “never said”.').waitFor();
    await search.fill('');
    await line(LINES + 3 * BATCH).waitFor();
  });

  test('follows again after the way to the end, also when it is drawn after it was scrolled', async () => {
    const late = await browser.newPage();
    await late.addInitScript(drawLate);
    await late.goto(page.url());
    const last = LINES + 3 * BATCH;
    await late.getByText(`said ${last}.`, { exact: true }).waitFor();
    await late.getByRole('button', { name: 'To the start' }).click();
    await late.getByText('said 1.', { exact: true }).waitFor();
    await late.getByRole('button', { name: 'To the end' }).click();
    await late.getByText(`said ${last}.`, { exact: true }).waitFor();
    await append(last + 1, last + 100);
    await late.getByText(`said ${last + 100}.`, { exact: true }).waitFor();
    await late.close();
  });
});

/** React draws what changed when a message comes back to it; this holds it up for longer than a frame. */
const drawLate = `{
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (...message) {
    setTimeout(() => post.apply(this, message), 100);
  };
}`;
