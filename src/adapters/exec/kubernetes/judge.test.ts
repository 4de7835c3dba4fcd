import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExecutionRequest } from '#ports/executor';
import type { Condition, ContainerStatus, ReadJob, ReadPod, Terminated } from './api/objects.ts';
import { judge } from './judge.ts';

const request: ExecutionRequest = {
  id: 'one',
  command: ['train'],
  cwd: '/work',
  env: {},
  limits: { wallMs: 1_000, outputBytesMax: 1_000 },
};
const job = (conditions: readonly Condition[] = [], suspend = false): ReadJob => ({
  metadata: { name: 'one', uid: '1' },
  spec: { suspend },
  status: { conditions },
});
const pod = (state: ContainerStatus['state'] = {}, status: ReadPod['status'] = {}): ReadPod => ({
  metadata: { name: 'one-abc', uid: '2' },
  status: { phase: 'Pending', containerStatuses: [{ name: 'step', state }], ...status },
});
const ended = (terminated: Terminated, status: ReadPod['status'] = {}, of: ReadJob = job()) => {
  const verdict = judge({ job: of, pod: pod({ terminated }, status), hasStarted: true }, request);
  return verdict.state === 'ended' ? verdict.ending : verdict.state;
};

describe('what the cluster says of an execution', () => {
  it('is an exit code, or a signal where a container runtime reports 128 and its number', () => {
    assert.deepEqual(ended({ exitCode: 0, reason: 'Completed' }), { reason: 'exited', code: 0 });
    assert.deepEqual(ended({ exitCode: 3, reason: 'Error' }), { reason: 'exited', code: 3 });
    assert.deepEqual(ended({ exitCode: 139, reason: 'Error' }), { reason: 'signalled', signal: 'SIGSEGV' });
    assert.deepEqual(ended({ exitCode: 255, reason: 'Error' }), { reason: 'exited', code: 255 });
    assert.deepEqual(ended({ exitCode: 128, reason: 'Error' }), { reason: 'exited', code: 128 });
  });

  it('tells when memory was short, the pod was evicted, or its node was lost', () => {
    assert.deepEqual(ended({ exitCode: 137, reason: 'OOMKilled' }), {
      reason: 'signalled',
      signal: 'SIGKILL',
      detail: 'out of memory: the limit of the container was passed',
    });
    // The kernel killed another process of the container, and the command noticed.
    assert.deepEqual(ended({ exitCode: 1, reason: 'OOMKilled' }), {
      reason: 'exited',
      code: 1,
      detail: 'out of memory: the limit of the container was passed',
    });
    const evicted = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory' } as const;
    assert.deepEqual(ended({ exitCode: 137, reason: 'Error' }, evicted), {
      reason: 'signalled',
      signal: 'SIGKILL',
      detail: 'Evicted: The node was low on resource: memory',
    });
    const disruption: Condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' };
    assert.deepEqual(ended({ exitCode: 143, reason: 'Error' }, { conditions: [disruption] }), {
      reason: 'signalled',
      signal: 'SIGTERM',
      detail: 'PreemptionByScheduler',
    });
    assert.deepEqual(ended({ exitCode: 137, reason: 'ContainerStatusUnknown', message: 'could not be located' }), {
      reason: 'signalled',
      signal: 'SIGKILL',
      detail: 'could not be located',
    });
    const without: ReadPod = { metadata: { name: 'p', uid: '2' }, status: evicted };
    assert.deepEqual(judge({ job: job(), pod: without, hasStarted: false }, request), {
      state: 'ended',
      ending: { reason: 'not-started', detail: 'Evicted: The node was low on resource: memory' },
    });
  });

  it('is a time-out when the deadline of the Job is over', () => {
    const condition: Condition = { type: 'FailureTarget', status: 'True', reason: 'DeadlineExceeded' };
    assert.deepEqual(ended({ exitCode: 143, reason: 'Error' }, {}, job([condition])), {
      reason: 'timeout',
      signal: 'SIGTERM',
      detail: 'the deadline of the Job was over',
    });
    const failed: Condition = { type: 'Failed', status: 'True', reason: 'DeadlineExceeded', message: 'too long' };
    assert.deepEqual(judge({ job: job([failed]), hasStarted: true }, request), {
      state: 'ended',
      ending: { reason: 'timeout', detail: 'DeadlineExceeded: too long' },
    });
  });

  it('is not started when the runtime has no such program or folder', () => {
    const message = (text: string) => ended({ exitCode: 128, reason: 'StartError', message: text });
    const missing = 'failed to create containerd task: exec: "train": executable file not found in $PATH: unknown';
    assert.deepEqual(message(missing), { reason: 'not-started', detail: "the program 'train' was not found" });
    assert.deepEqual(message('exec: "train": permission denied: unknown'), {
      reason: 'not-started',
      detail: "the program 'train' may not be executed",
    });
    assert.deepEqual(message('chdir to cwd ("/work") set in config.json failed: no such file or directory'), {
      reason: 'not-started',
      detail: "the working folder '/work' does not exist",
    });
    assert.deepEqual(message('out of ideas'), {
      reason: 'not-started',
      detail: "the program 'train' could not be started: out of ideas",
    });
  });

  it('waits for images and nodes, and gives up at once on what no repetition changes', () => {
    const waits = (reason: string, message = 'why') =>
      judge({ job: job(), pod: pod({ waiting: { reason, message } }), hasStarted: false }, request);
    assert.deepEqual(waits('ImagePullBackOff'), { state: 'waiting', detail: 'ImagePullBackOff: why', isFinal: false });
    assert.deepEqual(waits('InvalidImageName'), { state: 'waiting', detail: 'InvalidImageName: why', isFinal: true });
    const unschedulable: Condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: 'no gpu',
    };
    const pending = pod({}, { containerStatuses: [], conditions: [unschedulable] });
    assert.deepEqual(judge({ job: job(), pod: pending, hasStarted: false }, request), {
      state: 'waiting',
      detail: 'Unschedulable: no gpu',
      isFinal: false,
    });
    assert.deepEqual(judge({ job: job([], true), hasStarted: false }, request), { state: 'queued' });
    assert.deepEqual(judge({ job: job(), pod: pod({ running: {} }), hasStarted: false }, request), {
      state: 'running',
    });
  });

  it('is lost when the Job failed without a pod that tells why', () => {
    const failed: Condition = { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'it failed' };
    const seen = (hasStarted: boolean) => judge({ job: job([failed]), hasStarted }, request);
    const detail = 'BackoffLimitExceeded: it failed';
    assert.deepEqual(seen(true), { state: 'ended', ending: { reason: 'signalled', signal: 'SIGKILL', detail } });
    assert.deepEqual(seen(false), { state: 'ended', ending: { reason: 'not-started', detail } });
  });
});
