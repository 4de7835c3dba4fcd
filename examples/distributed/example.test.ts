import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '#testing/free-port';

/** The folder with `torchrun` of an environment with PyTorch, which is too large to install for every test. */
const torch = process.env['KEDGE_TEST_TORCH'];
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Agent {
  readonly command: readonly string[];
  readonly args: readonly string[];
}

/** The container of the Job that `training.ts` prints, and what else is printed. */
async function printed(): Promise<{ kinds: readonly string[]; pods: number; agent: Agent }> {
  const { stdout } = await promisify(execFile)(process.execPath, [path('training.ts')]);
  const { items } = JSON.parse(stdout);
  const [, job] = items;
  return {
    kinds: items.map(({ kind }: { kind: string }) => kind),
    pods: job.spec.completions,
    agent: job.spec.template.spec.containers[0],
  };
}

describe('distributed training', () => {
  it('is a Service and a Job for `kubectl apply`', async () => {
    const { kinds, pods, agent } = await printed();
    assert.deepEqual([kinds, pods], [['Service', 'Job'], 2]);
    assert.deepEqual(agent.args.slice(-3), ['/train/train.py', '--epochs', '20']);
  });

  const whenThere = torch ? it : () => {};
  whenThere('meets, restarts behind the last checkpoint, and goes on with another strategy', async () => {
    const { pods, agent } = await printed();
    const folder = await mkdtemp(join(tmpdir(), 'kedge-torchrun-'));
    /** Runs the command of each pod here, and gives what they printed. */
    const run = async (...more: readonly string[]): Promise<string> => {
      const endpoint = `127.0.0.1:${await freePort()}`;
      const words = [...agent.command, ...agent.args.slice(0, -2), ...more].map((word) =>
        word
          .replaceAll('$$', '$')
          .replace('digits-0.digits.training.svc:29400', endpoint)
          .replace('/train/train.py', path('train.py')),
      );
      const outputs = Array.from({ length: pods }, async (_, index) => {
        const env = {
          PATH: [torch, process.env['PATH']].join(delimiter),
          JOB_COMPLETION_INDEX: String(index),
          KEDGE_CHECKPOINTS: folder,
          OMP_NUM_THREADS: '1',
        };
        const [program = '', ...args] = words;
        const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
        let output = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
        const code = await new Promise((resolve) => child.on('close', resolve));
        assert.equal(code, 0, output);
        return output;
      });
      return (await Promise.all(outputs)).join('');
    };
    try {
      const first = await run('--epochs', '5', '--fail-at', '2');
      assert.match(first, /asked to fail in epoch 2/);
      assert.match(first, /4 processes, from epoch 2, accuracy/);
      const second = await run('--epochs', '15', '--strategy', 'fsdp');
      const [, accuracy] = /4 processes, from epoch 5, accuracy (0\.\d+)/.exec(second) ?? [];
      assert.ok(Number(accuracy) > 0.9, second);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
