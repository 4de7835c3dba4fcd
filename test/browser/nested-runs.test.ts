import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { connect, pipeline } from '#client';
import { workContract } from '#pipelines/contract';
import { createClient } from '#platform/contract';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';

const INNER = pipeline('train-one', {
  params: { depth: { type: 'integer' } },
  steps: [{ name: 'fit', command: ['/bin/true'], params: { depth: '${params.depth}' }, retries: 0, cache: false }],
});
const OUTER = pipeline('tune-all', {
  steps: [
    {
      name: 'train',
      pipeline: 'train-one',
      params: { depth: '${item.depth}' },
      map: { items: [{ depth: 1 }, { depth: 2 }, { depth: 3 }], failures: 'continue' },
    },
    { name: 'last', pipeline: 'train-one', params: { depth: 9 } },
  ],
});

describe('runs inside a run in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let page: Page;

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    const kedge = connect({ url: platform.url });
    const work = createClient(workContract, { baseUrl: platform.url });
    await kedge.resources.applyResources({ body: { resources: [INNER, OUTER] } });
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'tune-all' }, body: {} });
    for (let ended = 0; ended < 4; ) {
      const { attempts } = await work.leaseWork({ body: { worker: 'w', slots: 1, waitMs: 10_000 } });
      for (const { attempt, epoch, params } of attempts) {
        const error = { kind: 'threw' as const, message: 'the loss is not a number' };
        const failed = { status: 'failed' as const, epoch, error };
        const succeeded = { status: 'succeeded' as const, epoch, outputs: {} };
        await work.finishWork({ params: { attempt }, body: params['depth'] === 2 ? failed : succeeded });
        ended++;
      }
    }
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(`${platform.url}/runs/${run}?step=train`);
  });
  after(async () => {
    await browser?.close();
    await platform?.close();
  });

  test('a unit that failed comes first with its reason, leads to its run, and that leads back', async () => {
    await page.getByText('3, each a run of its own').waitFor();
    const first = page.getByRole('row').filter({ hasText: 'failed' }).first();
    await first.getByText('depth=2').waitFor();
    await first.getByText("step 'fit' failed: threw: the loss").waitFor();
    await page.getByRole('link', { name: 'train:1', exact: true }).click();
    await page.getByText('This run is unit train:1 of').waitFor();
    await page.getByRole('link', { name: 'a run of tune-all' }).click();
    await page.getByRole('heading', { name: 'Step train' }).waitFor();
  });

  test('a run that the reason of another names is a link, and a step that is one run leads to it', async () => {
    await page
      .locator('.verdict')
      .first()
      .getByRole('link', { name: /^prun_/ })
      .click();
    await page.getByText('This run is unit train:1 of').waitFor();
    await page.goBack();
    await page.locator('.gantt').getByText('last').click();
    await page.getByText('the step runs a pipeline, whose steps have their own logs').waitFor();
    await page
      .getByRole('main')
      .getByRole('link', { name: /^prun_/ })
      .last()
      .click();
    await page.getByText('This run is step last of').waitFor();
  });
});
