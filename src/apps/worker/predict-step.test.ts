import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { predictSteps } from '#client';
import type { Digest } from '#core/hash';
import { OnnxGraph } from '#learn/onnx';
import { Columnar, quoted } from '#platform/columnar';
import { openTestPlatform, type TestPlatform } from '../pipeline-test/platform.ts';
import { soon } from './testing/bench.ts';

const ROWS = 1_000;
const FACTORS = [10, 20];

/** value = factor · x */
function times(factor: number): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('factor', { type: 'float', shape: [1], values: [factor] });
  graph.node('Mul', { inputs: ['features', 'factor'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'times', opsets: { '': 17 } });
}

let platform: TestPlatform;
before(async () => {
  platform = await openTestPlatform();
  const { kedge, blobs } = platform;
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
  for (const factor of FACTORS) {
    const { digest, bytes } = await blobs.put(times(factor));
    const artifacts = [{ path: 'model.onnx', digest, bytes }];
    await kedge.registry.registerVersion({ params: { model: 'times' }, body: { artifacts, signature } });
  }
  await pointTo(1);
  const steps = [
    ...predictSteps('predict', { model: 'times@best', rows: 'dataset:rows', keep: ['id'], shards: 2 }),
    ...predictSteps('again', {
      model: 'times@2',
      rows: 'predict-parts.predictions.parquet',
      keep: [],
      step: { retries: 0 },
    }),
  ];
  const resources = [
    {
      kind: 'dataset',
      name: 'rows',
      spec: { eventTime: 'at', columns: { id: 'integer', x: 'number', at: 'timestamp' } },
    },
    { kind: 'pipeline', name: 'scoring', spec: { steps: steps.slice(0, 2) } },
    { kind: 'pipeline', name: 'wrong-column', spec: { steps: [...steps.slice(0, 1), ...steps.slice(2)] } },
    {
      kind: 'pipeline',
      name: 'no-alias',
      spec: { steps: predictSteps('p', { model: 'times@none', rows: 'dataset:rows' }) },
    },
  ];
  await kedge.resources.applyResources({ body: { resources: resources as never } });
  for (const [batch, from] of [
    ['a', 0],
    ['b', ROWS / 2],
  ] as const) {
    const lines = Array.from(
      { length: ROWS / 2 },
      (_, i) => `${from + i},${(from + i) / 4},${new Date(1_700_000_000_000 + from + i).toISOString()}`,
    );
    const bytes = Buffer.from(`id,x,at\n${lines.join('\n')}\n`);
    await kedge.datasets.commitBatch({
      params: { dataset: 'rows', batch },
      upload: { contentType: 'text/csv', bytes },
    });
  }
});
after(() => platform.close());

const pointTo = (version: number) =>
  platform.kedge.registry.moveAlias({ params: { model: 'times', alias: 'best' }, body: { version, reason: 'test' } });

async function run(pipeline: string) {
  const { kedge } = platform;
  const started = await kedge.pipelines.startPipelineRun({ params: { pipeline }, body: {} });
  let found = await kedge.pipelines.getPipelineRun({ params: { run: started.run } });
  await soon(
    async () => {
      found = await kedge.pipelines.getPipelineRun({ params: { run: started.run } });
      return found.finishedAt !== null;
    },
    () => `run ${started.run} did not end`,
  );
  return found;
}

async function rowsOf(digest: string): Promise<Record<string, unknown>[]> {
  const path = await platform.blobs.localPath(digest as Digest);
  const scratchDir = join(platform.folder, 'read');
  const columnar = await Columnar.open({ directories: [dirname(path)], scratchDir });
  try {
    return await columnar.exclusive((session) => session.rows(`select * from read_parquet(${quoted(path)})`));
  } finally {
    await columnar.close();
    await rm(scratchDir, { recursive: true, force: true });
  }
}

const expected = (version: number) =>
  Array.from({ length: ROWS }, (_, i) => [i, ((FACTORS[version - 1] ?? 0) * i) / 4, `times@${version}`]);

test('all rows of a dataset are predicted in shards, in order, and again only when the model is another', async () => {
  for (const [version, status] of [
    [1, 'succeeded'],
    [1, 'cached'],
    [2, 'succeeded'],
  ] as const) {
    await pointTo(version);
    const ended = await run('scoring');
    assert.equal(ended.status, 'succeeded', ended.reason ?? '');
    const [parts, joined] = ended.steps;
    assert.equal(joined?.status, status);
    assert.deepEqual(
      parts?.result,
      Array.from({ length: 2 }, () => ({ rows: ROWS / 2, revision: `times@${version}` })),
    );
    assert.deepEqual(joined?.result, { rows: ROWS });
    const rows = await rowsOf(ended.outputs['predict.predictions.parquet']?.digest ?? '');
    assert.deepEqual(
      rows.map(({ id, value, revision }) => [Number(id), value, revision]),
      expected(version),
    );
    assert.deepEqual(Object.keys(rows[0] ?? {}), ['id', 'value', 'revision']);
  }
});

test('rows that a step wrote are checked against the model, and a model that is not there starts nothing', async () => {
  const ended = await run('wrong-column');
  assert.equal(ended.status, 'failed');
  const log = await platform.kedge.pipelines.readStepLog({ params: { run: ended.run, step: 'again' } });
  assert.ok(
    log.items.some(({ text }) => text.includes('the file has no x')),
    JSON.stringify(log.items),
  );
  await assert.rejects(run('no-alias'), /no alias 'none'/);
});
