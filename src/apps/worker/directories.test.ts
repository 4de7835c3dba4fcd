import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fn } from './testing/bench.ts';
import { openBench } from './testing/open-bench.ts';

const sh = (script: string) => ['/bin/sh', '-c', script];
const WRITE = 'mkdir -p "$KEDGE_OUTPUT_MODEL/data" && echo weights > "$KEDGE_OUTPUT_MODEL/data/a.bin" && ';

for (const isRemote of [false, true]) {
  const where = isRemote ? 'somewhere else' : 'on this machine';
  test(`a directory goes from step to step ${where}, as a copy that a step may write to`, async (t) => {
    const bench = await openBench(t, { isRemote });
    const change = 'cat "$KEDGE_INPUT_MODEL/data/a.bin" && echo changed > "$KEDGE_INPUT_MODEL/data/a.bin"';
    const read = { inputs: { model: 'write.model' }, command: sh(change) };
    const steps = [
      { name: 'write', command: sh(`${WRITE} : > "$KEDGE_OUTPUT_MODEL/MLmodel"`), outputs: ['model/'] },
      { name: 'copy', function: fn('copiesDirectory'), inputs: { model: 'write.model' }, outputs: ['copy/'] },
      { name: 'one', ...read },
      { name: 'two', ...read, needs: ['one'], cache: false },
      { name: 'each', command: sh(`${WRITE} :`), outputs: ['model/'], map: { count: 2 } },
      { name: 'all', function: fn('listsDirectories'), inputs: { parts: 'each.model' } },
    ].map((step) => ({ ...step, retries: 0 }));

    const run = await bench.ended(await bench.start(steps));

    assert.equal(run.status, 'succeeded', run.reason ?? '');
    assert.deepEqual(run.outputs['write.model']?.directory, { files: 2, bytes: 8 });
    assert.equal(run.outputs['copy.copy']?.digest, run.outputs['write.model']?.digest);
    for (const step of ['one', 'two']) {
      const { items } = await bench.api.readStepLog({ params: { run: run.run, step } });
      assert.deepEqual(
        items.map(({ text }) => text),
        ['weights'],
      );
    }
    assert.deepEqual(run.steps[5]?.result, [['data/a.bin'], ['data/a.bin']]);
    const again = await bench.ended(await bench.start(steps));
    assert.equal(again.steps[0]?.status, 'cached');
    assert.deepEqual(again.outputs['write.model'], run.outputs['write.model']);
  });
}

test('what is not the directory that was declared fails the step once, with what is wrong', async (t) => {
  const bench = await openBench(t);
  const directory = (name: string, script: string) => ({ name, command: sh(script), outputs: ['model/'] });
  const out = '"$KEDGE_OUTPUT_MODEL"';
  const run = await bench.ended(
    await bench.start([
      directory('nothing', ':'),
      directory('a-file', `echo x > ${out}`),
      { name: 'unlike', command: sh(`mkdir ${out}`), outputs: ['model'] },
      directory('link-inside', `mkdir ${out} && ln -s /etc/passwd ${out}/users`),
      directory('link-itself', `ln -s /etc ${out}`),
      directory('pipe', `mkdir ${out} && mkfifo ${out}/pipe`),
      directory('crowd', `mkdir ${out} && cd ${out} && seq 10001 | xargs touch`),
      directory('empty', `mkdir ${out}`),
    ]),
  );

  const ends = run.steps.map(({ step, attempts }) => [step, attempts.length, attempts.at(-1)?.error]);
  const missing = (message: string) => ({ kind: 'missing-output', message });
  assert.deepEqual(ends, [
    ['nothing', 1, missing('not written: model/')],
    ['a-file', 1, missing('not written: model/ (it is a file, not a directory)')],
    ['unlike', 1, missing("not written: model (it is a directory, not a file: declare 'model/')")],
    ['link-inside', 1, missing(`output 'model/': has the link "users": write what it leads to in its place`)],
    ['link-itself', 1, missing("output 'model/': is a link: write the directory itself")],
    ['pipe', 1, missing(`output 'model/': has "pipe", which is no regular file`)],
    ['crowd', 1, missing("output 'model/': has more than 10000 files")],
    ['empty', 1, null],
  ]);
});
