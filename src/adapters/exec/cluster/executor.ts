import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import { digestOf } from '#core/hash';
import { Outage } from '#core/outage';
import type { System } from '#core/system';
import { assertRequest, type Execution, type ExecutionRequest, type Executor, executorErrors } from '#ports/executor';
import type { Cluster } from './cluster.ts';
import { ClusterExecution } from './execution.ts';
import { JobFolder } from './job-folder.ts';

export interface ClusterExecutorOptions {
  readonly cluster: Cluster;
  readonly system: System;
  /** Names the owner of the jobs. What an earlier one of this name left at the cluster is ended. */
  readonly owner: string;
  /** An absolute path, the same here and on the nodes, of this owner alone. */
  readonly folder: string;
  readonly warn?: (message: string) => void;
  /** More at the same time are refused with `executor/busy`. 256 by default. */
  readonly executionsMax?: number;
}

const GRACE_MS = 5_000;
/** A node that does not answer may keep a job in the books for ever: after this time it is not waited for. */
const CLEAR_MS = 60_000;
const CLEAR_BACKOFF = { baseMs: 500, capMs: 15_000 };

/**
 * Runs commands as jobs of a cluster, one job each, which share a folder with this process. The first thing is to end
 * the jobs of an earlier process of this name: nobody waits for what they do.
 */
export function openClusterExecutor(options: ClusterExecutorOptions): Executor {
  const { cluster, system, folder, warn = () => {}, executionsMax = 256 } = options;
  const running = new Set<string>();
  // Owners of one name with different folders, such as those of two installations, are different ones.
  const prefix = `kedge:${nameOf(options.owner)}:${digestOf(folder).slice(-8)}:`;
  const cleared = clear(options, prefix);
  return {
    async start(request: ExecutionRequest): Promise<Execution> {
      assertRequest(request);
      const { id } = request;
      if (running.has(id)) throw executorErrors.exists(`execution '${id}' is running`);
      if (running.size >= executionsMax) {
        throw executorErrors.busy(`${running.size} executions are running, the limit is ${executionsMax}`);
      }
      running.add(id);
      const graceMs = request.limits.graceMs ?? GRACE_MS;
      const nonce = randomBytes(8).toString('hex');
      const name = `${prefix}${nameOf(id)}:${nonce}`;
      const execution = new ClusterExecution(request, {
        cluster,
        system,
        warn,
        name,
        graceMs,
        ready: cleared,
        makeFolder: () => JobFolder.make(join(folder, nonce), request, graceMs),
      });
      void execution.exited.then(() => running.delete(id));
      return execution;
    },
  };
}

/** Letters, digits and a few signs; every other character as its code, so that different texts stay different. */
function nameOf(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9.@-]/gu, (sign) => `_${sign.codePointAt(0)!.toString(16)}_`);
}

/** Ends what an earlier process left. It asks until the cluster answers, and until nothing is left. */
async function clear({ cluster, system, folder, warn }: ClusterExecutorOptions, prefix: string): Promise<void> {
  const left = await readdir(folder).catch(() => []);
  const folders = left.map((name) => new JobFolder(join(folder, name)));
  await Promise.all(folders.map((found) => Promise.all([found.claim(), found.ask(0).catch(() => {})])));
  const outage = new Outage(system.clock);
  let until = Number.POSITIVE_INFINITY;
  for (let tries = 0; system.clock.monotonic() < until; tries++) {
    try {
      const jobs = await cluster.find(prefix);
      for (const { id } of jobs) await cluster.cancel(id);
      // Those that wait are claimed: they will do nothing.
      if (!jobs.some(({ isRunning }) => isRunning)) break;
      until = Math.min(until, system.clock.monotonic() + CLEAR_MS);
    } catch (error) {
      if (outage.failed()) warn?.(`${cluster.name}: ${messageOf(error)}; jobs left from before may still run`);
    }
    await sleep(system.clock, backoffMs(tries, system.random, CLEAR_BACKOFF));
  }
  await Promise.all(folders.map((found) => found.remove().catch(() => {})));
}
