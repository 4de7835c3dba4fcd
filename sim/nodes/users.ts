import { pipelinesContract } from '#pipelines/contract';
import { ProblemError } from '#platform/contract';
import { resourcesContract } from '#platform/resources/contract';
import { deliver } from '../../src/apps/worker/deliver.ts';
import type { Workload } from '../workload.ts';
import type { Network } from '../world/network.ts';
import type { Process } from '../world/process.ts';

/** What users know of what they asked for. */
export interface Users {
  /** Whether everything that they wanted was asked for and answered. */
  done: boolean;
  /** Run by key, as it was answered. */
  readonly started: Map<string, string>;
}

/** Plays the workload: each request is repeated until a control plane answers it. */
export function startUsers(process: Process, network: Network, workload: Workload): Users {
  const users: Users = { done: false, started: new Map() };
  void play(process, network, { workload, users }).then(() => {
    users.done = true;
  });
  return users;
}

async function play(
  process: Process,
  network: Network,
  { workload, users }: { readonly workload: Workload; readonly users: Users },
): Promise<void> {
  const { system, world } = process;
  const client = network.client({ ...pipelinesContract, ...resourcesContract }, process);
  const patience = new AbortController().signal;
  const apply = (declared: readonly object[]): Promise<unknown> => {
    const resources = declared.map(({ name, ...spec }: { name?: string }) => ({ kind: 'pipeline', name, spec }));
    return deliver(system, patience, (signal) => client.applyResources({ body: { resources }, signal } as never));
  };
  await apply(workload.pipelines);
  const { again } = workload;
  const tasks = workload.starts.map(async ({ atMs, pipeline, key }) => {
    await process.wait(atMs);
    const { run } = await deliver(system, patience, (signal) =>
      client.startPipelineRun({ params: { pipeline }, body: { key }, signal }),
    );
    const known = users.started.get(key);
    if (known !== undefined && known !== run) world.violated({ invariant: 2, message: `${key} started two runs` });
    users.started.set(key, run);
    const cancel = workload.cancels.find((item) => item.key === key);
    if (!cancel) return;
    await process.wait(cancel.afterMs);
    const cancelled = deliver(system, patience, (signal) =>
      client.cancelPipelineRun({ params: { run }, body: {}, signal }),
    );
    world.fault('cancel', run);
    await cancelled.catch((error) => {
      if (!(error instanceof ProblemError) || error.code !== 'pipelines/run-finished') throw error;
    });
  });
  const redeclared = again && process.wait(again.atMs).then(() => apply([again.pipeline]));
  await Promise.all([...tasks, redeclared]);
}
