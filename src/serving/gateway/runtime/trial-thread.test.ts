import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { liveArm } from '../live-endpoint.ts';
import { logisticModel } from '../testing/models.ts';
import { TrialThread } from './trial-thread.ts';

test('models are tried one after the other in one thread, and one that cannot be loaded ends nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-trial-'));
  const trial = new TrialThread();
  let threads = 0;
  const count = (): void => void threads++;
  process.on('worker', count);
  t.after(async () => {
    process.off('worker', count);
    await trial.close();
    await rm(folder, { recursive: true });
  });
  const { bytes, signature } = logisticModel({ a: 1 });
  const arm = { revision: 'm@1', model: 'm', version: 1, digest: 'sha256:0' as const, signature };
  const { shape } = liveArm(arm).file;
  const [path, broken] = [join(folder, 'm.onnx'), join(folder, 'broken.onnx')];
  await writeFile(path, bytes);
  await writeFile(broken, 'no model');

  const tried = await Promise.allSettled([path, broken, path, path].map((one) => trial.rowMs({ path: one, shape })));

  assert.deepEqual(
    tried.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  for (const one of tried) if (one.status === 'fulfilled') assert.ok(one.value > 0 && one.value < 10_000);
  assert.equal(threads, 1);

  await trial.close();
  assert.ok((await trial.rowMs({ path, shape })) > 0);
  assert.equal(threads, 2);
});
