import type { AttemptView, RunDetail, StepView } from '#pipelines/contract';

/** A step that succeeded, for tests of what pages make of it. */
export function stepView(step: string, change: Partial<StepView> = {}): StepView {
  return {
    ...{ step, status: 'succeeded', needs: [], readyAt: null, startedAt: 0, finishedAt: 1, reason: null },
    ...{ progress: null, metrics: {}, outputs: {}, result: null, cachedFrom: null, attempts: [] },
    ...{ verification: null, units: null },
    ...change,
  };
}

export function attemptView(change: Partial<AttemptView> = {}): AttemptView {
  return {
    ...{ attempt: `att_${change.epoch ?? 1}`, epoch: 1, status: 'succeeded', worker: 'w', startedAt: 0 },
    ...{ leaseUntil: 0, finishedAt: 1, error: null, usage: null },
    ...change,
  };
}

export function runDetail(steps: StepView[], change: Partial<RunDetail> = {}): RunDetail {
  return {
    ...{ run: 'prun_1', pipeline: 'train', generation: 1, project: null, status: 'succeeded', params: {}, seed: 1 },
    ...{ cause: { kind: 'user', id: 'user:ada', depth: 0 }, priority: 0, createdAt: 0, admittedAt: 0, pausedAt: null },
    ...{ origin: null, partition: null, verifies: null, lateAt: null, lateSince: null, startedAt: 0, finishedAt: null },
    ...{ reason: null, inputs: {}, outputs: {}, steps, eta: null },
    ...change,
  };
}
