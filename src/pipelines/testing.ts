import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import { AuditLog } from '#platform/audit';
import type { Context } from '#platform/db';
import { recentEvents } from '#platform/events';
import type { OpenDatabase } from '#testing/databases';
import type { Artifact, LeasedAttempt } from './contract.ts';
import { manifestOf } from './directories/manifest.ts';
import { pipelineKinds } from './index.ts';
import { isDirectory, outputName } from './outputs.ts';
import { Records } from './record/records.ts';
import { RunControl } from './service/control.ts';
import { PipelineService } from './service/service.ts';
import type { StepErrorKind } from './step-errors.ts';

export const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'pipeline-run.start' };
export const worker: Context = { actor: { id: 'system:worker', roles: ['worker'] }, action: 'pipeline-step.finish' };
export const cause = { kind: 'user', id: 'user:ada', depth: 0 } as const;

type Steps = readonly Readonly<Record<string, unknown>>[];
export const command = (name: string) => ['/bin/echo', name];
export const DIAMOND: Steps = [
  { name: 'a', command: command('a'), outputs: ['x'] },
  { name: 'b', command: command('b'), inputs: { x: 'a.x' }, outputs: ['y'] },
  { name: 'c', command: command('c'), inputs: { x: 'a.x' } },
  { name: 'd', command: command('d'), inputs: { y: 'b.y' }, needs: ['c'], outputs: ['z'] },
];

export async function openPipelines(t: TestContext, open: OpenDatabase) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-pipelines-'));
  const database = await open({ kinds: pipelineKinds });
  const blobs = await openFsBlobStore({ root });
  const service = new PipelineService({ ...database.deps, blobs });
  t.after(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  const put = async (text: string): Promise<Artifact> => {
    const { digest, bytes } = await blobs.put(Buffer.from(text));
    return { digest, bytes };
  };
  const putDirectory = async (texts: Readonly<Record<string, string>>): Promise<Artifact> => {
    const entries = Object.entries(texts).map(async ([path, text]) => ({ path, ...(await put(text)) }));
    const { text, artifact } = manifestOf(await Promise.all(entries));
    await blobs.put(Buffer.from(text));
    return artifact;
  };
  return {
    ...database,
    blobs,
    service,
    putDirectory,
    control: new RunControl({ ...database.deps, blobs }),
    records: new Records({ ...database.deps, blobs }),
    put,
    declare: (steps: Steps, spec: Readonly<Record<string, unknown>> = {}) =>
      database.resources.apply({ ...context, action: 'resource.apply' }, [
        { kind: 'pipeline', name: 'p', spec: { steps, ...spec } },
      ]),
    start: async (params: Readonly<Record<string, unknown>> = {}) =>
      (await service.startRun(context, { pipeline: 'p', params, cause })).run,
    /** The instance has the name of the worker, unless another is told. */
    lease: (name = 'w1', slots = 8, instance = name) =>
      service.lease({ worker: name, instance, slots, labels: {}, waitMs: 0 }),
    leave: (name: string, keep: readonly string[] = [], instance = name) =>
      service.leave(worker, { worker: name, instance, keep: [...keep], died: false }),
    /** What the next process of a worker tells of the one before it. */
    died: (name: string, instance = name) => service.leave(worker, { worker: name, instance, keep: [], died: true }),
    /** Reports a success with content made of the step's name for each output; a directory has it in `a/b.txt`. */
    async succeed({ attempt, epoch, outputs, step }: LeasedAttempt, content = '') {
      const written = await Promise.all(
        outputs.map(async (name) => {
          const text = `${step}.${outputName(name)}${content}`;
          return [
            outputName(name),
            isDirectory(name) ? await putDirectory({ 'a/b.txt': text }) : await put(text),
          ] as const;
        }),
      );
      const body = { status: 'succeeded', epoch, outputs: Object.fromEntries(written), result: { step } } as const;
      return service.finish(worker, attempt, body);
    },
    fail: ({ attempt, epoch }: LeasedAttempt, kind: StepErrorKind = 'threw') =>
      service.finish(worker, attempt, { status: 'failed', epoch, error: { kind, message: 'no' } }),
    events: async (type: string) =>
      (await recentEvents(database.db.reader, { limit: 1_000 })).filter((event) => event.type === type),
    audit: () => new AuditLog(database.db.reader).search({ limit: 1_000 }),
  };
}

export const names = (attempts: readonly LeasedAttempt[]): string[] => attempts.map(({ step }) => step);

/** 1 if the call was accepted, 0 if it was refused as stale or over. */
export async function accepted(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 1;
  } catch (error) {
    assert.ok(error instanceof KedgeError && error.status === 409, String(error));
    return 0;
  }
}
