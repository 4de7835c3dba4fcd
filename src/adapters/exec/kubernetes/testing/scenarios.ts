import assert from 'node:assert/strict';
import { type ExecutionRequest, type Exit, executorErrors } from '#ports/executor';
import type { KubernetesApi } from '../api/client.ts';
import type { ReadList, ReadObject } from '../api/objects.ts';
import type { KubernetesExecutor, KubernetesExecutorOptions } from '../index.ts';
import { MISSING_IMAGE } from './kubelet.ts';

/** Where a scenario is played: a real cluster, or a recording of one. */
export interface Stage {
  readonly namespace: string;
  open(options?: Partial<KubernetesExecutorOptions>): KubernetesExecutor;
  /** Does what somebody else does to the cluster; in a recording that has been done already. */
  outside(action: (admin: KubernetesApi) => Promise<void>): Promise<void>;
}

export interface Scenario {
  readonly name: string;
  /** How many answers to creates are lost. */
  readonly losses?: number;
  play(stage: Stage): Promise<void>;
}

const pod = { image: 'busybox:1', user: 1000 };

/** What the executor does over a real API server; each is recorded once, and played again from its recording. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'runs a command with environment and input, and passes on its output',
    async play(stage) {
      const run = new Run(stage.open());
      const env = { GREETING: 'one $(HOME) two' };
      const exit = await run.exit('echo "$GREETING"; cat', { env, stdin: Buffer.from('input\n') });
      assert.deepEqual([exit.reason, exit.code, run.output], ['exited', 0, 'one $(HOME) two\ninput\n']);
      assert.equal(exit.outputBytes, run.output.length);
      await run.close();
    },
  },
  {
    name: 'tells the code with which a command failed',
    async play(stage) {
      const run = new Run(stage.open());
      const exit = await run.exit('echo before; exit 3');
      assert.deepEqual([exit.reason, exit.code, run.output], ['exited', 3, 'before\n']);
      await run.close();
    },
  },
  {
    name: 'finds the Job again whose create had no answer',
    losses: 1,
    async play(stage) {
      const run = new Run(stage.open());
      const exit = await run.exit('echo once');
      assert.deepEqual([exit.reason, exit.code, run.output], ['exited', 0, 'once\n']);
      await run.close();
    },
  },
  {
    name: 'stops a command by asking it, and waits for what it does then',
    async play(stage) {
      const run = new Run(stage.open());
      const script = "trap 'echo cleaning; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
      const execution = await run.start(script);
      await run.says('ready');
      await execution.stop(60_000);
      const exit = await execution.exited;
      assert.deepEqual([exit.reason, exit.code, run.output], ['stopped', 7, 'ready\ncleaning\n']);
      await run.close();
    },
  },
  {
    name: 'ends a command whose time is over',
    async play(stage) {
      const run = new Run(stage.open());
      const exit = await run.exit('exec sleep 60', { limits: { wallMs: 1_000, outputBytesMax: 1_000 } });
      assert.deepEqual([exit.reason, exit.signal], ['timeout', 'SIGTERM']);
      assert.match(exit.detail ?? '', /limit of 1\.0 s/);
      await run.close();
    },
  },
  {
    name: 'gives up on an image that does not come, and leaves nothing behind',
    async play(stage) {
      const run = new Run(stage.open({ pod: { ...pod, image: MISSING_IMAGE }, startMsMax: 1_500 }));
      const exit = await run.exit('true');
      assert.equal(exit.reason, 'not-started');
      assert.match(exit.detail ?? '', /did not start in 1\.5 s: ImagePullBackOff: Back-off pulling image/);
      await run.close();
    },
  },
  {
    name: 'gives up on a pod that no node takes',
    async play(stage) {
      const run = new Run(stage.open({ pod: { ...pod, nodeSelector: { gpu: 'a100' } }, startMsMax: 1_500 }));
      const exit = await run.exit('true');
      assert.equal(exit.reason, 'not-started');
      assert.match(exit.detail ?? '', /did not start in 1\.5 s: Unschedulable: 0\/1 nodes are available/);
      await run.close();
    },
  },
  {
    name: 'tells what the cluster refuses',
    async play(stage) {
      const run = new Run(stage.open({ pod: { ...pod, priorityClass: 'Not A Name' } }));
      const exit = await run.exit('true');
      assert.equal(exit.reason, 'not-started');
      assert.match(exit.detail ?? '', /the cluster refused it: .*priorityClassName: Invalid value/);
      await run.close();
    },
  },
  {
    name: 'tells that a Job was deleted by somebody else',
    async play(stage) {
      const run = new Run(stage.open());
      const execution = await run.start('echo ready; exec sleep 60');
      await run.says('ready');
      await stage.outside(async (admin) => {
        const path = `/apis/batch/v1/namespaces/${stage.namespace}/jobs`;
        const { items } = await admin.call<ReadList<ReadObject>>('GET', path);
        const [job] = items;
        assert.equal(items.length, 1);
        const body = { propagationPolicy: 'Background', gracePeriodSeconds: 1 };
        await admin.call('DELETE', `${path}/${job?.metadata.name}`, { body });
      });
      const exit = await execution.exited;
      assert.equal(exit.reason, 'signalled');
      await run.close();
    },
  },
  {
    name: 'waits for the queue that admits its Job',
    async play(stage) {
      const run = new Run(stage.open({ queue: 'team-a' }));
      const execution = await run.start('echo admitted');
      await stage.outside(async (admin) => {
        const path = `/apis/batch/v1/namespaces/${stage.namespace}/jobs`;
        const { items } = await admin.call<ReadList<SuspendedJob>>('GET', path);
        const [job] = items;
        assert.equal(job?.spec.suspend, true);
        assert.equal(job.metadata.labels?.['kueue.x-k8s.io/queue-name'], 'team-a');
        const body = { ...job, spec: { ...job.spec, suspend: false } };
        await admin.call('PUT', `${path}/${job.metadata.name}`, { body });
      });
      const exit = await execution.exited;
      assert.deepEqual([exit.reason, exit.code, run.output], ['exited', 0, 'admitted\n']);
      await run.close();
    },
  },
  {
    name: 'sweeps away the Job that a killed worker has left, and takes its id again',
    async play(stage) {
      const killed = new Run(stage.open());
      await killed.start('echo old; exec sleep 60');
      await killed.says('old');
      await killed.close();
      const run = new Run(stage.open());
      const exists = { code: executorErrors.exists.code };
      await assert.rejects(run.start('true'), exists);
      assert.equal(await run.executor.sweep(), 1);
      const exit = await run.exit('echo new');
      assert.deepEqual([exit.reason, exit.code, run.output], ['exited', 0, 'new\n']);
      await run.close();
    },
  },
];

interface SuspendedJob extends ReadObject {
  readonly spec: { readonly suspend: boolean };
}

class Run {
  readonly executor: KubernetesExecutor;
  output = '';
  readonly #waiting = new Set<() => void>();

  constructor(executor: KubernetesExecutor) {
    this.executor = executor;
  }

  start(script: string, changes: Partial<ExecutionRequest> = {}): ReturnType<KubernetesExecutor['start']> {
    return this.executor.start({
      id: 'attempt_1',
      command: ['/bin/sh', '-c', script],
      cwd: '/tmp',
      env: {},
      limits: { wallMs: 60_000, outputBytesMax: 1_000_000 },
      onOutput: (_, chunk) => {
        this.output += Buffer.from(chunk).toString();
        for (const wake of this.#waiting) wake();
      },
      ...changes,
    });
  }

  async exit(script: string, changes: Partial<ExecutionRequest> = {}): Promise<Exit> {
    const execution = await this.start(script, changes);
    const exit = await execution.exited;
    const isMade = exit.reason === 'exited';
    if (isMade) assert.match(execution.job?.() ?? '', /^[a-z0-9-]+\/[a-z0-9-]+$/, 'namespace and name of the Job');
    return exit;
  }

  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      this.#waiting.clear();
    }
  }

  close(): Promise<void> {
    return this.executor.close();
  }
}
