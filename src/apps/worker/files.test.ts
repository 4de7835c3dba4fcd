import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FILE_MEDIA_TYPE } from '#pipelines/contract';
import { prepare } from './prepare.ts';
import type { Bench } from './testing/bench.ts';
import { openBench } from './testing/open-bench.ts';

async function sent(bench: Bench, text: string): Promise<string> {
  const upload = { contentType: FILE_MEDIA_TYPE, bytes: new TextEncoder().encode(text) };
  return (await bench.api.putPipelineFile({ upload })).digest;
}

for (const isRemote of [false, true]) {
  const where = isRemote ? 'somewhere else' : 'on this machine';
  test(`a command ${where} starts among copies of its files, which it may change and start`, async (t) => {
    const bench = await openBench(t, { isRemote });
    const script = await sent(bench, '#!/bin/sh\ncat lib/words.txt\necho changed > lib/words.txt\n');
    const words = await sent(bench, 'as they were sent\n');
    const steps = ['one', 'two'].map((name) => ({
      name,
      command: ['./say.sh'],
      files: { 'say.sh': script, 'lib/words.txt': words },
      ...(name === 'two' ? { needs: ['one'], cache: false } : {}),
    }));

    const run = await bench.ended(await bench.start(steps));

    assert.equal(run.status, 'succeeded', run.reason ?? '');
    for (const { step } of run.steps) {
      const { items } = await bench.api.readStepLog({ params: { run: run.run, step } });
      assert.deepEqual(
        items.map(({ text }) => text),
        ['as they were sent'],
      );
    }
    assert.equal(Buffer.from(await bench.blobs.read(words as `sha256:${string}`)).toString(), 'as they were sent\n');
  });
}

test('a file that was deleted meanwhile fails the attempt, which says which content is gone', async (t) => {
  const bench = await openBench(t);
  const digest = await sent(bench, 'soon gone');
  const gate = [{ name: 'ok', approval: {} }];
  const run = await bench.start([
    ...gate,
    { name: 'late', command: ['/bin/true'], files: { a: digest }, needs: ['ok'], retries: 0 },
  ]);
  await bench.when(run, ({ steps }) => steps[0]?.status === 'waiting');
  await bench.blobs.delete(digest as `sha256:${string}`);
  await bench.api.decideStep({ params: { run, step: 'ok' }, body: { decision: 'approve', reason: '' } });

  const ended = await bench.ended(run);

  const error = ended.steps[1]?.attempts[0]?.error;
  assert.equal(error?.kind, 'transfer');
  assert.match(error?.message ?? '', new RegExp(digest));
});

test('a worker places no file outside of the folder of its attempt, whatever it is told', async (t) => {
  const bench = await openBench(t);
  const digest = await sent(bench, 'evil');
  const attempt = {
    ...{ attempt: 'a1', epoch: 1, run: 'r', pipeline: 'p', step: 's', command: ['/bin/true'] },
    ...{ params: {}, inputs: {}, outputs: [], env: {}, resources: {}, leaseMs: 1, timeoutMs: 1, seed: 1 },
    cause: { kind: 'user', id: 'user:ada', depth: 0 },
  } as const;
  const around = { blobs: bench.blobs, scratchDir: bench.dir, connection: { url: bench.url } };
  for (const [i, path] of ['../out', '../../../x', 'a/../../x', '.', ''].entries()) {
    const dir = join(bench.dir, `attempt-${i}`);
    mkdirSync(dir);
    const files = { [path]: digest };
    await assert.rejects(prepare({ ...attempt, outputs: [], files }, dir, around), /would leave its folder/, path);
  }
  assert.throws(() => readFileSync(join(bench.dir, 'x')), { code: 'ENOENT' });
});
