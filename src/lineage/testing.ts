import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openHttpNotifier } from '#adapters/notify/http';
import { canonicalJson } from '#core/json';
import { createPipelines, type LeasedAttempt, pipelineKinds, type RunView } from '#pipelines';
import type { FinishBody } from '#pipelines/contract';
import { DEFAULT_PROJECT, fullAccess } from '#platform/access';
import { Relay } from '#platform/events';
import type { RequestContext } from '#platform/http';
import type { OpenDatabase } from '#testing/databases';
import { createLineage } from './index.ts';
import type { RunEvent } from './spec.ts';

const ada: RequestContext = {
  actor: { id: 'user:ada', roles: ['admin'] },
  action: 'test',
  requestId: 'r',
  project: DEFAULT_PROJECT,
  access: fullAccess(),
};

interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP server that takes events, and answers with `statuses` in turn; 0 hangs up, and 200 follows the last. */
async function openBackend() {
  const posted: Posted[] = [];
  const statuses: number[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    posted.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    const status = statuses.shift() ?? 200;
    if (status === 0) request.socket.destroy();
    else response.writeHead(status).end('said');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted, statuses, close };
}

/** Pipelines whose runs are told as lineage, to an endpoint that takes what it is told to take. */
export async function openLineage(t: TestContext, open: OpenDatabase) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-lineage-'));
  const database = await open({ kinds: pipelineKinds });
  const { db, deps, system, clock } = database;
  const blobs = await openFsBlobStore({ root });
  const columns = { delay: 'number', carrier: 'text' };
  const dataset = async (_tx: unknown, name: string) => {
    const { digest } = await blobs.put(Buffer.from('rows'));
    const manifest = { dataset: name, commit: 7, columns, blobs: [{ digest, rows: 40 }] };
    return { ...(await blobs.put(Buffer.from(canonicalJson(manifest)))), manifest: true as const };
  };
  const pipelines = createPipelines({ ...deps, blobs, pins: { dataset } });
  const { url: endpoint, posted, statuses, close } = await openBackend();
  const pipelineRunOf = async (id: string) => (id === 'tracked' ? undefined : id);
  const identity = { namespace: 'ns', producer: 'urn:kedge:test', version: '1.2.3' };
  const settings = {
    ...deps,
    blobs,
    notifier: openHttpNotifier({ insideToo: true }),
    identity,
    pipelineRunOf,
    endpoint,
    token: 'secret',
  };
  const metrics = () => ({ ...deps.metrics, counter: () => ({ inc: () => {} }) as never });
  const restarted = (more: { readonly waitingMax?: number } = {}) =>
    createLineage({ ...settings, ...more, metrics: metrics() });
  let lineage = restarted();
  const errors: string[] = [];
  t.after(async () => {
    await close();
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  const call = async <T>(name: string, input: object): Promise<T> => {
    const groups = [...pipelines.parts.routes, ...lineage.parts.routes];
    const handler = groups.find(({ handlers }) => handlers[name])?.handlers[name];
    assert.ok(handler, name);
    return (await handler(input as never, ada)) as T;
  };
  const jobOf = async (name: string): Promise<void> => {
    const job = lineage.parts.jobs.find((found) => found.name === name);
    assert.ok(job, name);
    await job.run(new AbortController().signal);
  };
  /** Handles every event that there is. */
  const settle = async (): Promise<void> => {
    const relay = new Relay({
      db,
      system,
      consumers: [...pipelines.parts.consumers, ...lineage.parts.consumers],
      onError: (consumer, event, message) => void errors.push(`${consumer} ${event.type}: ${message}`),
    });
    relay.start();
    while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    await relay.stop();
    assert.deepEqual(errors, []);
  };
  return {
    ...database,
    clock,
    blobs,
    endpoint,
    posted,
    statuses,
    call,
    settle,
    declare: (spec: Readonly<Record<string, unknown>>, name = 'train') =>
      database.resources.apply(ada, [{ kind: 'pipeline', name, spec }]),
    start: async (params = {}, pipeline = 'train') =>
      (await call<{ run: string }>('startPipelineRun', { params: { pipeline }, body: { params } })).run,
    lease: async () => {
      const body = { worker: 'w', slots: 8, labels: {}, resources: {}, waitMs: 0 };
      return (await call<{ attempts: LeasedAttempt[] }>('leaseWork', { body })).attempts;
    },
    finish: (attempt: LeasedAttempt, body: Omit<FinishBody & { status: 'failed' }, 'epoch'> | { status: 'stopped' }) =>
      call('finishWork', { params: { attempt: attempt.attempt }, body: { ...body, epoch: attempt.epoch } }),
    async succeed({ attempt, epoch, outputs, step }: LeasedAttempt, environment?: object) {
      const written = await Promise.all(
        outputs.map(async (name) => [name, await blobs.put(Buffer.from(`${step}.${name}`))] as const),
      );
      const body = { status: 'succeeded', epoch, outputs: Object.fromEntries(written), environment };
      await call('finishWork', { params: { attempt }, body });
    },
    events: async (run: string): Promise<RunEvent[]> => {
      await settle();
      const { items } = await call<{ items: RunEvent[] }>('listRunLineage', {
        params: { run },
        query: { limit: 1_000 },
      });
      return items;
    },
    /** Sends what is due, as the process does that was started last. */
    send: () => jobOf('lineage.delivery'),
    /** Looks for steps that go on. */
    look: async () => {
      await settle();
      await jobOf('lineage.starts');
    },
    restart: (more?: { readonly waitingMax?: number }) => {
      lineage = restarted(more);
    },
    ndjson: async (run: string): Promise<string> => {
      const [group] = lineage.parts.protocols ?? [];
      assert.ok(group?.routes[0]);
      const { body } = await group.routes[0].handler({ params: { run } } as never, ada);
      const chunks: Uint8Array[] = [];
      for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}

/** The life of a run that has some of everything: retried, cached, failed and skipped steps, and a dataset. */
export const EVENTFUL = {
  params: { depth: { type: 'integer', default: 3 }, note: { type: 'string', default: 'ü' } },
  source: {
    repository: 'git@git.example:team/models.git',
    commit: 'a'.repeat(40),
    branch: 'main',
    dirty: false,
    path: 'delay/project.ts',
    lockFiles: { 'package-lock.json': `sha256:${'0'.repeat(64)}` },
  },
  steps: [
    {
      name: 'prepare',
      command: ['python3', 'prepare.py'],
      inputs: { rows: 'dataset:flights' },
      outputs: ['table.csv'],
    },
    {
      ...{ name: 'fit', command: ['python3', 'fit.py'], inputs: { table: 'prepare.table.csv' } },
      ...{ outputs: ['model.onnx'], params: { depth: '${params.depth}' }, retries: 0 },
    },
    { name: 'ship', command: ['/bin/true'], needs: ['fit'] },
  ],
};

/** Plays that life to its end: the first attempt is given back, the second succeeds, the step after it fails. */
export async function liveThrough(l: Awaited<ReturnType<typeof openLineage>>): Promise<string> {
  await l.declare(EVENTFUL);
  const run = await l.start();
  const [lost] = await l.lease();
  assert.ok(lost);
  await l.look();
  await l.finish(lost, { status: 'stopped' });
  const [prepare] = await l.lease();
  assert.ok(prepare);
  await l.look();
  await l.look();
  await l.succeed(prepare, {
    ...{ kedge: '1', node: '24.0.0', platform: 'linux', arch: 'x64', release: '6.1' },
    interpreter: { name: 'python', version: '3.11.2', packages: { count: 1, digest: `sha256:${'1'.repeat(64)}` } },
  });
  const [fit] = await l.lease();
  assert.ok(fit);
  await l.finish(fit, { status: 'failed', error: { kind: 'threw', message: 'no rows' } });
  return run;
}

/** What `outer` is: `prep`, then `train` on what that wrote, and again for each of two depths, then what reads both. */
const NESTED = {
  inner: {
    inputs: { rows: { type: 'file' }, flights: { type: 'dataset', default: 'dataset:flights' } },
    params: { depth: { type: 'integer', default: 1 } },
    steps: [
      {
        ...{ name: 'fit', command: ['fit'], inputs: { r: 'input:rows', f: 'input:flights' } },
        ...{ outputs: ['model'], params: { depth: '${params.depth}' } },
      },
    ],
  },
  outer: {
    steps: [
      { name: 'prep', command: ['prep'], outputs: ['rows'] },
      { name: 'train', pipeline: 'inner', inputs: { rows: 'prep.rows' }, outputs: ['fit.model'] },
      {
        ...{ name: 'each', pipeline: 'inner', inputs: { rows: 'prep.rows' }, outputs: ['fit.model'] },
        ...{ params: { depth: '${item}' }, map: { items: [2, 3] } },
      },
      { name: 'pick', command: ['pick'], inputs: { one: 'train.fit.model', all: 'each.fit.model' } },
    ],
  },
} as const;

/** Plays a run with runs inside to its end. Answers it, and the runs inside by the step or unit that they are. */
export async function liveNested(l: Awaited<ReturnType<typeof openLineage>>) {
  await l.declare(NESTED.inner, 'inner');
  await l.declare(NESTED.outer, 'outer');
  const run = await l.start({}, 'outer');
  for (;;) {
    await l.settle();
    const attempts = await l.lease();
    if (attempts.length === 0) break;
    for (const attempt of attempts) await l.succeed(attempt);
  }
  const { items } = await l.call<{ items: RunView[] }>('listPipelineRuns', { query: { within: run, limit: 10 } });
  const inside = new Map(items.map((child) => [child.cause.within?.step ?? '', child.run]));
  return { run, inside };
}
