import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { realSystem } from '#core/system';
import { openClusterExecutor, openRay } from './index.ts';

// The address of a dashboard whose nodes are this machine.
const SERVER = process.env['KEDGE_TEST_RAY'];

const skip = SERVER ? false : 'KEDGE_TEST_RAY names no Ray dashboard (tools/ci/ray.sh starts one)';

async function openOnRay() {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'kedge-ray-')));
  return {
    folder,
    executor: openClusterExecutor({
      cluster: openRay({ url: SERVER ?? '' }),
      system: realSystem(),
      owner: 'conformance',
      folder,
    }),
    close: () => rm(folder, { recursive: true, maxRetries: 5 }),
  };
}

if (SERVER) executorConformance('Ray', openOnRay);

describe('Ray as a cluster', { skip }, () => {
  it('takes a job that is handed in twice once', async () => {
    const ray = openRay({ url: SERVER ?? '' });
    const name = `kedge:${randomUUID()}`;
    const job = { name, command: ['true'], cwd: '/', logPath: '/dev/null', wallMs: 1_000, resources: { gpu: 99 } };

    const ids = [await ray.submit(job), await ray.submit(job)];

    assert.deepEqual(ids, [name, name]);
    assert.deepEqual(await ray.find(name), [{ id: name, isRunning: false }]);
    assert.deepEqual(await ray.state(name), { phase: 'waiting' });
    assert.deepEqual(await ray.state(`${name}:other`), { phase: 'ended', cause: 'forgotten' });
    await ray.cancel(name);
    await ray.cancel(`${name}:other`);
  });

  it('gives a job what its step asks for, and stops one that waits for what is not there', async (t) => {
    const { folder, executor, close } = await openOnRay();
    t.after(close);
    const limits = { wallMs: 600_000, outputBytesMax: 1_000 };
    const request = (id: string, script: string) => ({
      id,
      command: ['/bin/sh', '-c', script],
      cwd: folder,
      env: {},
      limits,
    });
    let output = '';
    const given = await executor.start({
      ...request('given', 'echo "$CUDA_VISIBLE_DEVICES" | tr -dc , | wc -c'),
      resources: { cpu: 0.5, memoryGiB: 0.1, gpu: 2 },
      onOutput(_, chunk) {
        output += Buffer.from(chunk).toString();
      },
    });
    const waiting = await executor.start({ ...request('waiting', 'true'), resources: { gpu: 99 } });

    const exit = await given.exited;
    await waiting.stop(60_000);

    assert.deepEqual([exit.reason, exit.code, output], ['exited', 0, '1\n']);
    assert.equal((await waiting.exited).reason, 'stopped');
  });
});
