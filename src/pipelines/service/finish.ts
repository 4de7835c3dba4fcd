import { assert } from '#core/assert';
import { backoffMs } from '#core/backoff';
import { messageOf } from '#core/errors';
import type { Digest } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { System } from '#core/system';
import type { Tx } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import type { Artifact, FinishBody, StepError } from '../contract.ts';
import { filesOfDirectory, manifestOf } from '../directories/manifest.ts';
import { pipelineErrors } from '../errors.ts';
import { type AttemptStatus, type Fact, isFinalStep } from '../model.ts';
import { isDirectory, outputName } from '../outputs.ts';
import { saveEnvironment } from '../record/store.ts';
import { backoffOf, retriesFor } from '../retries.ts';
import { endAttempt, endLease, findAttempt, type StoredAttempt } from '../store/attempts.ts';
import { type CacheEntry, freshSince, insertCacheEntry } from '../store/cache.ts';
import { queuedTwins } from '../store/queue.ts';
import { findRun } from '../store/runs.ts';
import { definitionOf, findKey, findStep, type StepDefinition, saveProduct, saveProgress } from '../store/steps.ts';
import { type Advanced, advance, runSubject, takeFromCache } from './advance.ts';
import { noteVerification } from './verify.ts';

/** Queued steps that one finish answers from the cache; further ones do their work themselves. */
const TWINS_MAX = 100;

/** Fails with `pipelines/output-missing` unless every output is stored with the length that was reported. */
export async function requireOutputs(blobs: BlobStore, outputs: Readonly<Record<string, Artifact>>): Promise<void> {
  for (const [name, { digest, bytes, directory }] of Object.entries(outputs)) {
    const stored = (await blobs.has(digest)) ? await blobs.size(digest) : undefined;
    if (stored === bytes) {
      if (directory) await requireDirectory(blobs, { name, digest, directory });
      continue;
    }
    const found = stored === undefined ? 'is not stored' : `has ${stored} bytes there, not ${bytes}`;
    throw pipelineErrors['output-missing'](`output '${name}' (${digest}) ${found}`);
  }
}

/** Of a directory the manifest is looked into: each of its files was stored before it. */
async function requireDirectory(
  blobs: BlobStore,
  of: { readonly name: string; readonly digest: Digest; readonly directory: NonNullable<Artifact['directory']> },
): Promise<void> {
  const refuse = (why: string): Error => pipelineErrors['output-missing'](`output '${of.name}' ${why}`);
  const files = await filesOfDirectory(blobs, of.digest).catch((error: unknown) => {
    throw refuse(messageOf(error));
  });
  const { directory } = manifestOf(files).artifact;
  if (canonicalJson(directory) === canonicalJson(of.directory)) return;
  throw refuse(`(${of.digest}) has not the files that were reported`);
}

export interface Finished {
  readonly status: AttemptStatus;
  /** Committed before: the worker did not get the answer, or the request comes twice. */
  readonly isRepeat: boolean;
}

/** Commits what an attempt reports, or fails with `pipelines/stale-attempt` and writes nothing. */
export async function finish(tx: Tx, attemptId: string, body: FinishBody, system: System): Promise<Finished> {
  const attempt = await requireAttempt(tx, attemptId, body.epoch);
  if (attempt.status !== 'running') return { status: repeated(attempt, body), isRepeat: true };
  const run = await findRun(tx.db, attempt.run);
  if (!run) throw staleAttempt(attempt);
  const definition = await definitionOf(tx.db, attempt.run, attempt.step);
  const report = checkPromises(definition, body);
  if (body.status !== 'stopped' && body.environment) await saveEnvironment(tx.db, attempt, body.environment);
  await saveProgress(tx.db, attempt, report);
  if (report.status === 'succeeded') {
    const product = { outputs: report.outputs, result: report.result ?? null, metrics: report.metrics ?? {} };
    await saveProduct(tx.db, attempt, product);
  }
  const advanced = await advance(tx, run, factOf(attempt, report, { now: tx.now, system, definition }));
  if (advanced === 'stale') throw staleAttempt(attempt);
  const status = advanced.attempt ?? attempt.status;
  const error = report.status === 'failed' ? report.error : undefined;
  await endAttempt(tx.db, attempt.attempt, { status, now: tx.now, error, usage: report.usage, place: body.place });
  auditStep(tx, attempt, { advanced, report });
  if (report.status === 'succeeded') await fillCache(tx, attempt, report, definition);
  if (report.status === 'succeeded' && run.verifies !== null) await noteVerification(tx, attempt, report);
  return { status, isRepeat: false };
}

/** Ends an attempt whose lease ran out. Does nothing when it was extended or finished meanwhile. */
export async function expire(tx: Tx, attemptId: string): Promise<void> {
  const attempt = await findAttempt(tx.db, attemptId);
  const run = attempt && (await findRun(tx.db, attempt.run));
  if (!run || attempt.status !== 'running' || attempt.leaseUntil >= tx.now) return;
  const { step, epoch } = attempt;
  const advanced = await advance(tx, run, { type: 'expired', step, epoch, now: tx.now });
  await endAttempt(tx.db, attempt.attempt, { status: 'lost', now: tx.now });
  if (advanced !== 'stale') auditStep(tx, attempt, { advanced });
}

/** Takes a step from a worker that is known to be dead: its lease is over, however long it was to last. */
export async function bury(tx: Tx, attemptId: string): Promise<void> {
  await endLease(tx.db, attemptId, tx.now);
  await expire(tx, attemptId);
}

/** Queues what a worker that ends still holds. */
export async function release(tx: Tx, attemptId: string): Promise<void> {
  const attempt = await findAttempt(tx.db, attemptId);
  const run = attempt && (await findRun(tx.db, attempt.run));
  if (!run || attempt.status !== 'running') return;
  const { step, epoch } = attempt;
  const advanced = await advance(tx, run, { type: 'stopped', step, epoch, now: tx.now });
  if (advanced === 'stale') return;
  await endAttempt(tx.db, attempt.attempt, { status: advanced.attempt ?? 'released', now: tx.now });
  auditStep(tx, attempt, { advanced });
}

/** The attempt, if it has this epoch. Errors: `pipelines/attempt-not-found`, `pipelines/stale-attempt`. */
export async function requireAttempt(tx: Pick<Tx, 'db'>, attemptId: string, epoch: number): Promise<StoredAttempt> {
  const attempt = await findAttempt(tx.db, attemptId);
  if (!attempt) throw pipelineErrors['attempt-not-found'](`there is no attempt '${attemptId}'`);
  if (attempt.epoch !== epoch) throw staleAttempt(attempt);
  return attempt;
}

export function staleAttempt({ attempt, epoch, status, step }: StoredAttempt): Error {
  const what = `attempt '${attempt}' (epoch ${epoch}) of step '${step}' is ${status}`;
  return pipelineErrors['stale-attempt'](`${what}: it no longer holds the step, and nothing it did is kept`);
}

/** A worker whose answer got lost reports again. What was committed then is answered; anything else is too late. */
function repeated(attempt: StoredAttempt, body: FinishBody): AttemptStatus {
  const same =
    attempt.status === body.status ||
    (body.status === 'stopped' && (attempt.status === 'released' || attempt.status === 'cancelled'));
  if (!same) throw staleAttempt(attempt);
  return attempt.status;
}

/** A success without all declared outputs is a failure, whatever the worker says. */
function checkPromises({ outputs: declared }: StepDefinition, body: FinishBody): FinishBody {
  if (body.status !== 'succeeded') return body;
  const message = brokenPromise(declared, body.outputs);
  if (message === undefined) return body;
  const error: StepError = { kind: 'missing-output', message };
  const { epoch, progress, metrics, usage } = body;
  return { status: 'failed', epoch, error, progress, metrics, usage };
}

function brokenPromise(declared: readonly string[], written: Readonly<Record<string, Artifact>>): string | undefined {
  const names = declared.map(outputName);
  const missing = names.filter((name) => !Object.hasOwn(written, name));
  if (missing.length > 0) return `not written: ${missing.join(', ')}`;
  const extra = Object.keys(written).filter((name) => !names.includes(name));
  if (extra.length > 0) return `not declared: ${extra.join(', ')}`;
  const other = declared.find(
    (output) => isDirectory(output) !== (written[outputName(output)]?.directory !== undefined),
  );
  return other && `not written: ${other} (${isDirectory(other) ? 'it is a file' : 'it is a directory'})`;
}

function factOf(
  { step, epoch }: StoredAttempt,
  report: FinishBody,
  by: { readonly now: number; readonly system: System; readonly definition: StepDefinition },
): Fact {
  const { now } = by;
  if (report.status !== 'failed') return { type: report.status, step, epoch, now };
  const { kind, message } = report.error;
  const { retry = {} } = by.definition;
  const delayMs = Math.ceil(backoffMs(epoch - 1, by.system.random, backoffOf(retry)));
  return { type: 'failed', step, epoch, now, kind, message, delayMs, retries: retriesFor(retry, kind) };
}

/** One audit row for each final outcome of a step; what is tried again is told by its attempts. */
function auditStep(
  tx: Tx,
  attempt: StoredAttempt,
  { advanced, report }: { readonly advanced: Advanced; readonly report?: FinishBody },
): void {
  const state = advanced.state.steps.find((step) => step.name === attempt.step);
  if (!state || !isFinalStep(state.status)) return;
  const outputs = report?.status === 'succeeded' ? report.outputs : {};
  const digests = Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
  const { status, reason } = state;
  const { step, epoch, worker } = attempt;
  tx.audit(runSubject(attempt.run), { step, status, reason, epoch, worker, outputs: digests });
}

/** Keeps the product under its key, and answers every queued step that waits for the same work. */
async function fillCache(
  tx: Tx,
  attempt: StoredAttempt,
  report: FinishBody & { status: 'succeeded' },
  definition: StepDefinition,
): Promise<void> {
  const keyed = await findKey(tx.db, attempt.run, attempt.step);
  if (!keyed) return;
  const entry: CacheEntry = {
    key: keyed.key,
    run: attempt.run,
    step: attempt.step,
    createdAt: tx.now,
    outputs: report.outputs,
    result: report.result ?? null,
    metrics: report.metrics ?? {},
  };
  await insertCacheEntry(tx.db, entry, freshSince(definition, tx.now));
  await answerTwins(tx, entry, keyed.key);
}

async function answerTwins(tx: Tx, entry: CacheEntry, key: Digest): Promise<void> {
  for (const twin of await queuedTwins(tx.db, key, TWINS_MAX)) {
    const run = await findRun(tx.db, twin.run);
    // What a twin before it has ended may have cancelled it.
    const found = await findStep(tx.db, twin.run, twin.step);
    if (!run || found?.status !== 'queued') continue;
    await takeFromCache(tx, twin, entry);
    const advanced = await advance(tx, run, { type: 'hit', step: twin.step, now: tx.now });
    assert(advanced !== 'stale', `the queued step '${twin.step}' of run ${twin.run} cannot take its twin's work`);
  }
}
