import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Relay } from '#platform/events';
import type { OpenDatabase } from '#testing/databases';
import type { RunDetail } from '../contract.ts';
import { command, context, names, openPipelines } from '../testing.ts';
import { nestedConsumer } from './start.ts';

const apply = { ...context, action: 'resource.apply' };
export type Spec = Readonly<Record<string, unknown>>;
export const program = (name: string, more: Spec = {}) => ({ name, command: command(name), retries: 0, ...more });
export const nested = (name: string, pipeline: string, more: Spec = {}) => ({ name, pipeline, ...more });

/** Pipelines with what starts runs inside of runs. */
export async function openNested(t: TestContext, open: OpenDatabase) {
  const p = await openPipelines(t, open);
  const errors: string[] = [];
  const relay = new Relay({
    ...{ db: p.db, system: p.system, consumers: [nestedConsumer({ ...p.deps, blobs: p.blobs })] },
    onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
  });
  relay.start();
  t.after(() => relay.stop());
  const settle = async (): Promise<void> => {
    while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(errors, []);
  };
  const steps = (detail: RunDetail) => detail.steps.map(({ step, status }) => `${step} ${status}`).join(', ');
  return {
    ...p,
    settle,
    apply: (pipelines: Readonly<Record<string, Spec>>) =>
      p.resources.apply(
        apply,
        Object.entries(pipelines).map(([name, spec]) => ({ kind: 'pipeline', name, spec })),
      ),
    run: async (pipeline: string, params: Spec = {}) => {
      const { run } = await p.service.startRun(context, { pipeline, params, cause: { ...CAUSE } });
      await settle();
      return run;
    },
    /** Leases all that may run, does what is told about each step, and says which ran. */
    work: async (how: (step: string) => 'succeed' | 'fail' = () => 'succeed') => {
      const attempts = await p.lease();
      for (const attempt of attempts) await p[how(attempt.step)](attempt);
      await settle();
      return names(attempts);
    },
    shown: async (run: string) => {
      const detail = await p.service.run(run);
      return `${detail.status}: ${steps(detail)}`;
    },
    childOf: async (run: string, step = 'train') => {
      const child = (await p.service.run(run)).steps.find((found) => found.step === step)?.child;
      assert.ok(child, `step '${step}' of ${run} has no run`);
      return child;
    },
  };
}

export const CAUSE = { kind: 'rule', id: 'rule/retrain', depth: 2, at: 5 } as const;
