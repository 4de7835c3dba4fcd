import { join } from 'node:path';
import { openClusterExecutor, openRay, openSlurm } from '#adapters/exec/cluster';
import { openProcessExecutor } from '#adapters/exec/process';
import { systemClock } from '#core/clock';
import { realSystem } from '#core/system';
import type { Executor } from '#ports/executor';

const SLURM = process.env['KEDGE_TEST_SLURM'] ? new URL(process.env['KEDGE_TEST_SLURM']) : undefined;
const RAY = process.env['KEDGE_TEST_RAY'];

interface TestExecutor {
  /** Why it cannot be tested here, if it cannot. */
  readonly skip: string | false;
  readonly isRemote: boolean;
  /** For a worker with a scratch directory of its own. */
  open(scratchDir: string): Executor & { close?(): Promise<void> };
}

/** Every executor that a worker may have, over the real thing. */
export const TEST_EXECUTORS: Readonly<Record<string, TestExecutor>> = {
  process: {
    skip: false,
    isRemote: false,
    open: () => openProcessExecutor({ clock: systemClock, environment: process.env }),
  },
  'process-pool': {
    skip: false,
    isRemote: false,
    open: () => openProcessExecutor({ clock: systemClock, environment: process.env, keepsProcesses: true }),
  },
  slurm: {
    skip: SLURM ? false : 'KEDGE_TEST_SLURM names no slurmrestd (tools/ci/slurm.sh starts one)',
    isRemote: true,
    open: (scratchDir) =>
      openClusterExecutor({
        cluster: openSlurm({
          url: SLURM?.origin ?? '',
          user: SLURM?.username ?? '',
          token: async () => SLURM?.password ?? '',
        }),
        system: realSystem(),
        owner: 'test',
        folder: join(scratchDir, 'jobs'),
      }),
  },
  ray: {
    skip: RAY ? false : 'KEDGE_TEST_RAY names no Ray dashboard (tools/ci/ray.sh starts one)',
    isRemote: true,
    open: (scratchDir) =>
      openClusterExecutor({
        cluster: openRay({ url: RAY ?? '' }),
        system: realSystem(),
        owner: 'test',
        folder: join(scratchDir, 'jobs'),
      }),
  },
};
