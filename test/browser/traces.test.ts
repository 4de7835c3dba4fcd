import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { connect } from '#client';
import { launchChromium, reasonToSkip } from './fixtures/chromium.ts';
import { openPage } from './fixtures/open-page.ts';
import { type ServedPlatform, servePlatform } from './fixtures/serve-platform.ts';
import { soonEqual } from './fixtures/soon.ts';

const TRACES = 619;
const STEPS = 700;
const START = 1_700_000_000_000;

describe('traces in the console', { skip: reasonToSkip() }, () => {
  let platform: ServedPlatform;
  let browser: Browser;
  let experiment = '';
  const list = () => `/experiments/${experiment}?tab=traces`;

  before(async () => {
    platform = await servePlatform({ insecureLoopback: true });
    const kedge = connect({ url: platform.url });
    experiment = (await kedge.tracking.ensureExperiment({ body: { name: 'assistant' } })).id;
    const spans = Array.from({ length: TRACES }, (_, i) => request(i)).flat();
    await post(platform.url, '/v1/traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] }, experiment);
    await post(platform.url, '/v1/traces', { resourceSpans: [{ scopeSpans: [{ spans: longOne() }] }] }, experiment);
    const said = { assessment_name: 'correct', feedback: { value: false }, rationale: 'no source', span_id: idOf(2) };
    const source = { source_type: 'HUMAN', source_id: 'ann' };
    const path = `/api/3.0/mlflow/traces/${traceOf(7)}/assessments`;
    await post(platform.url, path, { assessment: { ...said, source } });
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await platform.close();
  });

  const open = (path: string) => openPage(browser, platform.url + path);

  test('only the traces in view are in the page, and scrolling brings the others until all are there', async () => {
    const { page, close } = await open(`${list()}&order=name`);
    await page.getByText('250 of 620 traces loaded').waitFor();
    await page.locator('.table-scroller').hover();
    for (const loaded of ['500 of 620 traces loaded', '620 traces']) {
      await page.mouse.wheel(0, 20_000);
      await page.getByText(loaded, { exact: true }).waitFor();
    }
    await page.mouse.wheel(0, 20_000);
    await page.getByRole('link', { name: 'long', exact: true }).waitFor();
    assert.ok((await page.locator('tbody tr').count()) < 100);
    await close();
  });

  test('a filter is completed, shows where it is wrong, and stays in the address', async () => {
    const { page, close } = await open(list());
    const box = page.getByRole('combobox', { name: 'Filter traces' });
    await page.getByText('250 of 620 traces loaded').waitFor();
    await page.keyboard.press('/');
    await box.pressSequentially('span.st');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('.filter-error').getByText('expected an operator, found the end').waitFor();
    await box.pressSequentially(' = ');
    await page.getByRole('option', { name: "'ERROR'" }).click();
    await box.pressSequentially("AND span.type = 'TOOL' AND feedback.correct = 'false'");
    await page.keyboard.press('Enter');
    await page.getByText('1 trace', { exact: true }).waitFor();
    await page.reload();
    await page.getByText('1 trace', { exact: true }).waitFor();
    await page.getByRole('row', { name: /why number 7\?.*correct no/ }).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/traces/${traceOf(7)}$`));
    await page.getByRole('tree', { name: 'Steps of the trace' }).waitFor();
    await close();
  });

  test('a trace shows the step that failed first, what went in and out, and goes along with the keys', async () => {
    const { page, close } = await open(`/experiments/${experiment}/traces/${traceOf(7)}`);
    const panel = (name: string) => page.getByRole('complementary', { name: `Step ${name}` });
    await panel('look up').getByText('the index is gone').first().waitFor();
    await page.keyboard.press('ArrowUp');
    await panel('ask 7').getByText('why number 7?').waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.getByText('+2', { exact: true }).waitFor();
    await soonEqual(() => page.getByRole('treeitem').count(), 1);
    await page.keyboard.press('ArrowRight');
    await page.getByRole('treeitem', { name: 'write, chat model' }).click();
    await panel('write').getByText('because of 7').waitFor();
    await page.waitForURL((url) => url.searchParams.get('span') === idOf(3));
    await page.reload();
    await panel('write').getByText('because of 7').waitFor();
    await page.getByRole('link', { name: /^Assessments/ }).click();
    await page.getByRole('row', { name: /correct feedback no no source ann look up/ }).waitFor();
    await page.getByRole('link', { name: 'About' }).click();
    await page.getByText('mlflow.artifactLocation').waitFor();
    await close();
  });

  test('of a long trace only the steps in view are in the page, and a link leads to one far down', async () => {
    const far = idOf(STEPS - 1);
    const { page, close } = await open(`/experiments/${experiment}/traces/${traceOf(TRACES)}?span=${far}`);
    await page.getByRole('treeitem', { name: `step ${STEPS - 1}` }).waitFor();
    assert.ok((await page.getByRole('treeitem').count()) < 120);
    await page.keyboard.press('k');
    await page.waitForURL((url) => url.searchParams.get('span') === idOf(STEPS - 2));
    await close();
  });

  test('what is not there is told of, and what is empty says what fills it', async () => {
    const { page, close } = await open(`/experiments/0?tab=traces`);
    await page.getByText('No trace yet.').waitFor();
    await page.getByText('@mlflow.trace').waitFor();
    await page.goto(`${platform.url}/experiments/0/traces/tr-none`);
    await page.getByText('No such trace').waitFor();
    await page.goto(`${platform.url}${list()}&find=name+%3D+'nothing'`);
    await page.getByText('No trace matches.').waitFor();
    await page.goto(`${platform.url}/experiments/${experiment}/traces/${traceOf(8)}?tab=assessments`);
    await page.getByText('Nobody has said anything of this trace.').waitFor();
    await close();
  });
});

const idOf = (n: number): string => n.toString(16).padStart(16, '0');
const traceIdOf = (n: number): string => (n + 1).toString(16).padStart(32, '0');
const traceOf = (n: number): string => `tr-${traceIdOf(n)}`;
const text = (key: string, value: string) => ({ key, value: { stringValue: value } });

interface Step {
  readonly trace: number;
  readonly id: number;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

function step({ trace, id, name, from, to }: Step, more: object = {}): object {
  const times = { startTimeUnixNano: `${START + from}000000`, endTimeUnixNano: `${START + to}000000` };
  const parent = id === 1 ? {} : { parentSpanId: idOf(1) };
  return { traceId: traceIdOf(trace), spanId: idOf(id), ...parent, name, ...times, ...more };
}

/** A question, a look-up that fails for every seventh, and an answer. */
function request(i: number): object[] {
  const from = i * 1_000;
  const failed = i % 7 === 0 ? { status: { code: 2, message: 'the index is gone' } } : {};
  const root = { trace: i, id: 1, name: `ask ${i}`, from, to: from + 90 };
  return [
    step(root, { attributes: [text('mlflow.spanInputs', `{"question": "why number ${i}?"}`)] }),
    step(
      { trace: i, id: 2, name: 'look up', from: from + 5, to: from + 30 },
      {
        attributes: [text('mlflow.spanType', 'TOOL')],
        ...failed,
      },
    ),
    step(
      { trace: i, id: 3, name: 'write', from: from + 30, to: from + 85 },
      {
        attributes: [
          text('gen_ai.operation.name', 'chat'),
          text('mlflow.spanOutputs', `[{"role": "assistant", "content": "because of ${i}"}]`),
        ],
      },
    ),
  ];
}

function longOne(): object[] {
  return Array.from({ length: STEPS }, (_, i) =>
    step({ trace: TRACES, id: i + 1, name: i === 0 ? 'long' : `step ${i + 1}`, from: i, to: i === 0 ? STEPS : i + 1 }),
  );
}

async function post(url: string, path: string, body: object, experiment = ''): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-mlflow-experiment-id': experiment };
  const answer = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
  const told = await answer.text();
  assert.ok(answer.status === 200 && !told.includes('partialSuccess'), `${path}: ${answer.status} ${told}`);
}
