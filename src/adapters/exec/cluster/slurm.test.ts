import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { realSystem } from '#core/system';
import type { ExecutionRequest } from '#ports/executor';
import { type Cluster, openClusterExecutor, openSlurm } from './index.ts';

// http://<user>:<token>@host:port of a slurmrestd whose nodes are this machine.
const SERVER = process.env['KEDGE_TEST_SLURM'] ? new URL(process.env['KEDGE_TEST_SLURM']) : undefined;

const skip = SERVER ? false : 'KEDGE_TEST_SLURM names no slurmrestd (tools/ci/slurm.sh starts one)';

const slurm = () =>
  openSlurm({ url: SERVER?.origin ?? '', user: SERVER?.username ?? '', token: async () => SERVER?.password ?? '' });

async function openOnSlurm(cluster = slurm()) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'kedge-slurm-')));
  return {
    folder,
    executor: openClusterExecutor({ cluster, system: realSystem(), owner: 'conformance', folder }),
    close: () => rm(folder, { recursive: true, maxRetries: 5 }),
  };
}

/** Runs a script as a job of Slurm. Its output says when it is so far; `meanwhile` gets that. */
async function run(
  t: TestContext,
  script: string,
  {
    cluster = slurm(),
    meanwhile = async () => {},
    ...more
  }: Partial<ExecutionRequest> & {
    readonly cluster?: Cluster;
    readonly meanwhile?: (output: string) => Promise<void>;
  } = {},
) {
  const { folder, executor, close } = await openOnSlurm(cluster);
  t.after(close);
  let output = '';
  const execution = await executor.start({
    id: 'one',
    command: ['/bin/sh', '-c', script],
    cwd: folder,
    env: {},
    limits: { wallMs: 600_000, outputBytesMax: 1_000_000 },
    onOutput(_, chunk) {
      output += Buffer.from(chunk).toString();
      if (output.includes('ready')) void meanwhile(output);
    },
    ...more,
  });
  return { exit: await execution.exited, output };
}

if (SERVER) executorConformance('Slurm', openOnSlurm);

describe('Slurm as a cluster', { skip }, () => {
  it('gives a job what its step asks for', async (t) => {
    const script = 'echo "$SLURM_CPUS_ON_NODE cores, $SLURM_MEM_PER_NODE MiB, $SLURM_GPUS_ON_NODE GPUs"';

    const { output } = await run(t, script, { resources: { cpu: 2.5, memoryGiB: 0.25, gpu: 1 } });

    assert.equal(output, '3 cores, 256 MiB, 1 GPUs\n');
  });

  it('refuses what no node has, and leaves nothing of it in the queue', async (t) => {
    const { exit } = await run(t, 'true', { resources: { gpu: 99 } });

    assert.equal(exit.reason, 'not-started');
    assert.match(exit.detail ?? '', /Requested node configuration is not available/);
    assert.deepEqual(await slurm().find('kedge:conformance:'), []);
  });

  it('tells that somebody else has cancelled a job', async (t) => {
    const meanwhile = async (output: string): Promise<void> => slurm().cancel(/job (\d+) is ready/.exec(output)![1]!);

    const { exit } = await run(t, 'echo "job $SLURM_JOB_ID is ready"; sleep 600', { meanwhile });

    assert.deepEqual([exit.reason, exit.signal], ['signalled', 'SIGTERM']);
    assert.match(exit.detail ?? '', /the job was cancelled, and not by Kedge/);
  });

  it('does not take a token that is none for an empty queue', async () => {
    const cluster = openSlurm({ url: SERVER?.origin ?? '', user: 'root', token: async () => 'no token' });

    await assert.rejects(cluster.find('kedge:'), { code: 'cluster/unreachable' });
  });
});
