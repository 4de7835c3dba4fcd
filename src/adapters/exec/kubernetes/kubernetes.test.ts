import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { systemClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { realSystem } from '#core/system';
import { type ClusterAccess, openKubernetesExecutor } from './index.ts';
import { openTestCluster, type TestCluster } from './testing/cluster.ts';
import { Recorder } from './testing/recorder.ts';
import type { Recording } from './testing/recording.ts';
import { Replay } from './testing/replay.ts';
import { type Stage, scenarios } from './testing/scenarios.ts';

/** A kubeconfig of an administrator, as `tools/ci/kubernetes.sh` makes it. Building a cluster takes long: by hand. */
const kubeconfig = process.env['KEDGE_TEST_KUBERNETES'];
/** A folder that gets what went over the wire, for `testing/recorded`. */
const recordTo = process.env['KEDGE_RECORD_KUBERNETES'];

const pod = { image: 'busybox:1', user: 1000 };

/** Executors with the same ids each time, as requests are compared with what was recorded. */
function stageOf(access: ClusterAccess): Pick<Stage, 'namespace' | 'open'> {
  const system = { clock: systemClock, ids: sequenceIds(), random: seededRandom(1) };
  return {
    namespace: access.namespace,
    open: (options) => openKubernetesExecutor({ access, system, owner: 'worker-1@host', pod, ...options }),
  };
}

describe('the executor over recorded answers of a real API server', () => {
  for (const [index, { name, play }] of scenarios.entries()) {
    it(name, { timeout: 60_000 }, async () => {
      const replay = await Replay.open(await readRecording(index));
      try {
        await play({ ...stageOf(replay.access), outside: async () => {} });
        assert.deepEqual([replay.unexpected, replay.missing], [[], []]);
      } finally {
        replay.close();
      }
    });
  }
});

if (kubeconfig) {
  describe('the executor over a real API server', () => {
    for (const [index, { name, losses = 0, play }] of scenarios.entries()) {
      it(name, { timeout: 60_000 }, async () => {
        const cluster = await openTestCluster(kubeconfig);
        const recorder = await Recorder.open(cluster.access, { losses });
        try {
          await play({ ...stageOf(recorder.access), outside: (action) => action(cluster.admin) });
          const { gitVersion: server } = await cluster.admin.call<{ gitVersion: string }>('GET', '/version');
          if (recordTo) await record(index, { server, namespace: cluster.namespace, entries: recorder.entries });
        } finally {
          recorder.close();
          await cluster.close();
        }
      });
    }
  });

  describe('Jobs at a real API server', () => {
    let cluster: TestCluster;
    before(async () => {
      cluster = await openTestCluster(kubeconfig);
    });
    after(() => cluster?.close());

    executorConformance('Kubernetes Jobs', async () => {
      const { access } = cluster;
      const options = { access, system: realSystem(), owner: 'conformance', pod, splitStreams: true };
      const executor = openKubernetesExecutor(options);
      return { executor, close: () => executor.close() };
    });
  });
}

async function record(index: number, { entries, ...header }: Recording): Promise<void> {
  const text = [header, ...entries].map((line) => `${JSON.stringify(line)}\n`).join('');
  await mkdir(recordTo ?? '', { recursive: true });
  await writeFile(join(recordTo ?? '', `${index}.jsonl`), text);
}

async function readRecording(index: number): Promise<Recording> {
  const text = await readFile(new URL(`testing/recorded/${index}.jsonl`, import.meta.url), 'utf8');
  const [header, ...entries] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { ...header, entries };
}
