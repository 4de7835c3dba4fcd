import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { realSystem } from '#core/system';
import { openClusterExecutor, openSlurm } from './index.ts';

// http://<user>:<token>@host:port of a slurmrestd whose nodes are this machine.
const SERVER = process.env['KEDGE_TEST_SLURM'] ? new URL(process.env['KEDGE_TEST_SLURM']) : undefined;

if (SERVER) {
  executorConformance('Slurm', async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'kedge-slurm-')));
    const cluster = openSlurm({ url: SERVER.origin, user: SERVER.username, token: async () => SERVER.password });
    return {
      executor: openClusterExecutor({ cluster, system: realSystem(), owner: 'conformance', folder }),
      close: () => rm(folder, { recursive: true, maxRetries: 5 }),
    };
  });
} else {
  describe('Slurm as an executor', () => {
    it('needs a cluster', { skip: 'KEDGE_TEST_SLURM names no slurmrestd (tools/ci/slurm.sh starts one)' }, () => {});
  });
}
