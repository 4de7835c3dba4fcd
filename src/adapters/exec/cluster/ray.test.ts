import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { realSystem } from '#core/system';
import { openClusterExecutor, openRay } from './index.ts';

// The address of a dashboard whose nodes are this machine.
const SERVER = process.env['KEDGE_TEST_RAY'];

if (SERVER) {
  executorConformance('Ray', async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'kedge-ray-')));
    return {
      executor: openClusterExecutor({
        cluster: openRay({ url: SERVER }),
        system: realSystem(),
        owner: 'conformance',
        folder,
      }),
      close: () => rm(folder, { recursive: true, maxRetries: 5 }),
    };
  });
} else {
  describe('Ray as an executor', () => {
    it('needs a cluster', { skip: 'KEDGE_TEST_RAY names no Ray dashboard (tools/ci/ray.sh starts one)' }, () => {});
  });
}
