import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openPipelineTest } from 'kedge/testing';

const pipelines = await openPipelineTest(new URL('./kedge.ts', import.meta.url));
after(() => pipelines.close());

const parcels = { 'fetch.parcels.csv': { file: 'fixtures/parcels.csv' } };

test('the cases of the file pass by the command', async () => {
  const [kedge, file] = ['../../bin/kedge.mjs', './kedge.ts'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  assert.ok(kedge && file);

  const { stdout } = await promisify(execFile)(process.execPath, [kedge, 'test', 'pipeline', file]);

  assert.match(stdout, /^✔ a week of parcels becomes a model that is shipped$/m);
  assert.match(stdout, /^3 passed, 0 failed$/m);
});

test('a further van reaches the parcel that is far away', async () => {
  const run = await pipelines.run({
    params: { source: 'not asked', kmMax: 5_000 },
    steps: ['prepare'],
    given: parcels,
  });

  assert.equal(run.explain(), '');
  assert.deepEqual(run.steps['prepare']?.result, { rows: 4 });
  assert.match(run.steps['prepare']?.outputs['rows.jsonl']?.text() ?? '', /"parcel":"d"/);
});

test('nothing is shipped that nobody approved', async () => {
  const run = await pipelines.run({
    params: { source: 'not asked' },
    given: parcels,
    decisions: { release: 'reject' },
    expect: { status: 'failed' },
  });

  assert.deepEqual(run.problems, []);
  assert.deepEqual([run.steps['release']?.status, run.steps['ship']?.status], ['failed', 'skipped']);
});
