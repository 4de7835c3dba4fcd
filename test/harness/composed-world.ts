import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { connect, type Kedge } from '#client';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { loadConfig } from '#platform/config';
import { createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../src/apps/control-plane/control-plane.ts';
import { openDataDir } from '../../src/apps/data-dir.ts';
import { openBlobs } from '../../src/apps/stores.ts';
import { KnownValues } from './known-values.ts';

export interface ComposedWorld {
  readonly plane: OpenControlPlane;
  readonly url: string;
  readonly token: string;
  /** What requests failed with that were not expected to, newest last. */
  readonly failures: readonly string[];
  /** What answers have told. */
  readonly known: KnownValues;
  /** Puts one of everything into the platform, each called `a` where it has a name. */
  populate(): Promise<void>;
  close(): Promise<void>;
}

const TICK_MS = 2;
/** Clocks run this much faster than the wall's, so that whoever waits for news has waited long enough at once. */
const SPEED = 100;

/** The whole control plane in this process, over files of its own. Its clock runs by itself, and fast. */
export async function openComposedWorld(): Promise<ComposedWorld> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-world-'));
  const dataDir = openDataDir(root);
  const config = loadConfig(
    { dataDir: root, port: 0, logLevel: 'error', leaseMs: 600_000, bodyStallMs: 3_600_000 },
    {},
  );
  const known = new KnownValues();
  const clock = new ManualClock();
  const failures: string[] = [];
  const log = { write: (line: string) => void failures.push(line) };
  const plane = await openControlPlane({
    ...{ role: 'test', config, dataDir },
    system: { clock, ids: sequenceIds(), random: seededRandom(1) },
    logger: pino({ level: 'error' }, log),
    metrics: createMetrics('test'),
  });
  const url = await plane.start();
  let ticking = Promise.resolve();
  const timer = setInterval(() => {
    ticking = ticking.then(() => clock.advance(TICK_MS * SPEED));
  }, TICK_MS);
  const token = dataDir.tokens.admin;
  return {
    ...{ plane, url, token, failures, known },
    async populate() {
      const blobs = await openBlobs(config, dataDir);
      const { digest, bytes } = await blobs.put(new TextEncoder().encode(CONTENT));
      known.learn({ digest, bytes, file: 'model.onnx' });
      const learning: typeof fetch = async (...request) => {
        const response = await fetch(...request);
        known.learn(await response.clone().json());
        return response;
      };
      await populate(connect({ url, token, fetch: learning }), { path: 'model.onnx', digest, bytes });
    },
    async close() {
      await plane.stop();
      clearInterval(timer);
      await ticking;
      await rm(root, { recursive: true, maxRetries: 5 });
    },
  };
}

const DECLARED = [
  {
    kind: 'dataset',
    name: 'a',
    spec: { columns: { at: 'timestamp', key: 'string', value: 'number' }, eventTime: 'at' },
  },
  {
    kind: 'feature-view',
    name: 'a',
    spec: { dataset: 'a', keys: ['key'], features: [{ name: 'n', aggregate: 'count', window: '1h' }] },
  },
  { kind: 'pipeline', name: 'a', spec: { steps: [{ name: 'a', command: ['/bin/true'], inputs: { a: 'dataset:a' } }] } },
  { kind: 'endpoint', name: 'a', spec: { model: 'a', features: { views: ['a'] } } },
  {
    kind: 'monitor',
    name: 'a',
    spec: {
      endpoint: 'a',
      window: '1d',
      clock: 'declared',
      alerts: [{ name: 'a', metric: 'ece', above: 0.1, k: 1, n: 1 }],
    },
  },
  { kind: 'rule', name: 'a', spec: { on: { monitor: 'a', alert: 'a' }, run: { pipeline: 'a' } } },
];

const CONTENT = 'no model, but content';
type File = { readonly path: string; readonly digest: `sha256:${string}`; readonly bytes: number };

async function populate(kedge: Kedge, file: File): Promise<void> {
  await kedge.resources.applyResources({ body: { resources: DECLARED } });
  const rows = ['{"at": "2001-01-01T00:00:00", "key": "k", "value": 1}', '{"at": "2001-01-01T01:00:00", "key": "k"}'];
  const upload = { contentType: 'application/x-ndjson', bytes: new TextEncoder().encode(rows.join('\n')) };
  await kedge.datasets.commitBatch({ params: { dataset: 'a', batch: 'a' }, upload });
  await kedge.pipelines.startPipelineRun({ params: { pipeline: 'a' }, body: {} });
  const signature = { inputs: [{ name: 'n', kind: 'numeric' as const }], output: 'probability' as const };
  for (const run of ['first', 'second', 'third']) {
    await kedge.tracking.createTrackingRun({ body: { id: run, experiment: 'made' } });
    const bytes = new TextEncoder().encode(CONTENT);
    const upload = { contentType: 'application/octet-stream', bytes };
    await kedge.tracking.putArtifact({ params: { run }, query: { path: file.path }, upload });
    await kedge.registry.registerVersion({ params: { model: 'a' }, body: { artifacts: [file], signature, run } });
  }
  await kedge.registry.moveAlias({ params: { model: 'a', alias: 'a' }, body: { version: 1, reason: 'a' } });
  await kedge.tracking.createTrackingRun({ body: { experiment: 'a', params: { a: '1' } } });
  while (!(await kedge.activity.getSettled()).eventsHandled) await new Promise((resolve) => setImmediate(resolve));
  // What there is to know by now, under the names that it is asked for by.
  await kedge.resources.listResources();
  await kedge.serving.listEndpoints();
  await kedge.serving.listRollouts({ params: { endpoint: 'a' } });
  await kedge.registry.listVersions({ params: { model: 'a' } });
}
