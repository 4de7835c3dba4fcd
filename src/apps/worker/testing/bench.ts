import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { RunDetail } from '#pipelines';
import type { BlobStore } from '#ports/blob-store';
import { clientOf, sendTestSteps } from './control-plane.ts';

type Spec = Readonly<Record<string, unknown>>;

export interface Bench {
  readonly dir: string;
  readonly url: string;
  readonly blobs: BlobStore;
  readonly api: ReturnType<typeof clientOf>;
  /** Declares a pipeline of these steps, whose functions are those of steps.ts, and starts a run. */
  start(steps: readonly Spec[], spec?: Spec, params?: Spec): Promise<string>;
  /** Resolves to the run once `until` holds for it. */
  when(run: string, until: (run: RunDetail) => boolean): Promise<RunDetail>;
  ended(run: string): Promise<RunDetail>;
}

export const fn = (name: string) => ({ module: 'steps.ts', export: name });

export function benchOf(url: string, blobs: BlobStore): Omit<Bench, 'dir'> {
  const api = clientOf(url);
  const when: Bench['when'] = async (run, until) => {
    let found: RunDetail | undefined;
    await soon(
      async () => {
        // While a control plane is being restarted, nobody answers.
        found = await api.getPipelineRun({ params: { run } }).catch(() => undefined);
        return found !== undefined && until(found);
      },
      () => `run ${run} did not get there: ${JSON.stringify(found, null, 1)}`,
    );
    return found as RunDetail;
  };
  return {
    url,
    blobs,
    api,
    when,
    ended: (run) => when(run, (found) => found.finishedAt !== null),
    async start(steps, spec = {}, params = {}) {
      const code = await sendTestSteps(api);
      const resource = { kind: 'pipeline', name: 'p', spec: { code, steps, ...spec } };
      await api.applyResources({ body: { resources: [resource] } });
      return (await api.startPipelineRun({ params: { pipeline: 'p' }, body: { params } })).run;
    },
  };
}

/** Looks again and again until it holds; fails after two minutes, which jobs of a cluster need on a busy machine. */
export async function soon(holds: () => Promise<boolean> | boolean, otherwise: () => string): Promise<void> {
  for (const end = performance.now() + 120_000; !(await holds()); ) {
    assert.ok(performance.now() < end, otherwise());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether a process has ended, counting one that nobody has waited for yet. */
export function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}
