import { createReadStream, readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { KedgeError, messageOf } from '#core/errors';
import type { Json } from '#core/json';
import { formatBytes } from '#core/units';
import {
  type Artifact,
  isDirectory,
  type LeasedAttempt,
  outputName,
  packDirectory,
  pipelineErrors,
  type StepError,
} from '#pipelines';
import { jsonValue, RESULT_LENGTH_MAX, STEP_ERROR_KINDS } from '#pipelines/contract';
import type { BlobStore } from '#ports/blob-store';
import type { Exit } from '#ports/executor';
import type { HostReport } from './host-protocol.ts';
import type { Prepared } from './prepare.ts';

export type Outcome =
  | { readonly ok: true; readonly outputs: Record<string, Artifact>; readonly result: Json }
  | { readonly ok: false; readonly error: StepError };

/** It comes from a process that runs user code, so it is checked like anything from outside. */
const hostReport: z.ZodType<HostReport> = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: jsonValue }),
  z.object({ ok: z.literal(false), kind: z.enum(STEP_ERROR_KINDS), message: z.string() }),
]);

/** Judges how a process ended, and stores what it wrote. Not for one that was stopped on request. */
export async function outcomeOf(
  attempt: LeasedAttempt,
  exit: Exit,
  { prepared, blobs }: { readonly prepared: Prepared; readonly blobs: BlobStore },
): Promise<Outcome> {
  const error = exitError(exit);
  if (error?.kind === 'exit-code' || !error) {
    const returned = attempt.function ? functionResult(prepared, exit, error) : commandResult(prepared, error);
    if (!returned.ok) return returned;
    return storeOutputs({ declared: attempt.outputs, paths: prepared.outputs }, returned.result, blobs);
  }
  return { ok: false, error };
}

function memoryWords({ rssPeakBytes }: Exit): string {
  return rssPeakBytes === undefined ? '' : `; it used up to ${formatBytes(rssPeakBytes)} of memory`;
}

function words(exit: Exit): string {
  return `${exit.detail === undefined ? '' : `: ${exit.detail}`}${memoryWords(exit)}`;
}

function exitError(exit: Exit): StepError | undefined {
  if (exit.outOfMemory !== undefined)
    return { kind: 'out-of-memory', message: `${exit.outOfMemory}${memoryWords(exit)}` };
  switch (exit.reason) {
    case 'exited':
      return exit.code === 0 ? undefined : { kind: 'exit-code', message: `the process ended with code ${exit.code}` };
    case 'signalled':
      return { kind: 'killed', message: `the process was ended by ${exit.signal}${words(exit)}` };
    case 'timeout':
      return { kind: 'timeout', message: exit.detail ?? 'the step ran longer than its timeout' };
    case 'memory':
      return { kind: 'killed', message: exit.detail ?? 'the step held more memory than it may' };
    case 'stopped':
      return { kind: 'killed', message: 'the process was stopped' };
    case 'not-started':
      return { kind: 'not-started', message: exit.detail ?? 'the process could not be started' };
  }
}

type Returned = { readonly ok: true; readonly result: Json } | { readonly ok: false; readonly error: StepError };

function functionResult({ resultPath }: Prepared, { answer }: Exit, error: StepError | undefined): Returned {
  const text = answer ?? readResult(resultPath);
  const report = text === undefined ? undefined : hostReport.safeParse(parseJson(text));
  if (report?.success && report.data.ok && !error) return { ok: true, result: report.data.result };
  if (report?.success && !report.data.ok) {
    return { ok: false, error: { kind: report.data.kind, message: report.data.message } };
  }
  const message = `${error?.message ?? 'the process ended with code 0'} before the step function returned`;
  return { ok: false, error: { kind: 'exit-code', message } };
}

function commandResult({ resultPath }: Prepared, error: StepError | undefined): Returned {
  if (error) return { ok: false, error };
  const refuse = (message: string): Returned => ({ ok: false, error: { kind: 'invalid-result', message } });
  const text = readResult(resultPath);
  if (text === undefined) return { ok: true, result: null };
  if (text.length > RESULT_LENGTH_MAX) return refuse(`the file KEDGE_RESULT is larger than ${RESULT_LENGTH_MAX} bytes`);
  const result = parseJson(text);
  return result === undefined ? refuse('the file KEDGE_RESULT is not JSON') : { ok: true, result };
}

/**
 * The text of the file if it is there; of a file past the limit, just enough to see that it is. It was written a moment
 * ago and is small, so it is read at once and not by a thread.
 */
function readResult(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) return undefined;
  if (found.size > 4 * RESULT_LENGTH_MAX) return ' '.repeat(RESULT_LENGTH_MAX + 1);
  return readFileSync(path, 'utf8');
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Written {
  /** As the step declares its outputs. */
  readonly declared: readonly string[];
  readonly paths: Readonly<Record<string, string>>;
}

async function storeOutputs({ declared, paths }: Written, result: Json, blobs: BlobStore): Promise<Outcome> {
  const places = declared.map((output) => ({
    output,
    name: outputName(output),
    path: paths[outputName(output)] ?? '',
  }));
  const missing: string[] = [];
  for (const { output, path } of places) {
    const found = await stat(path).catch(() => undefined);
    if (!found) missing.push(output);
    else if (isDirectory(output) && found.isFile()) missing.push(`${output} (it is a file, not a directory)`);
    else if (!isDirectory(output) && !found.isFile()) missing.push(`${output} (${aDirectory(output, found)})`);
  }
  if (missing.length > 0) {
    return { ok: false, error: { kind: 'missing-output', message: `not written: ${missing.join(', ')}` } };
  }
  const outputs: Record<string, Artifact> = {};
  for (const { output, name, path } of places) {
    try {
      outputs[name] = isDirectory(output) ? await packDirectory(blobs, path) : await storeFile(path, blobs);
    } catch (error) {
      const isRefused = error instanceof KedgeError && error.code === pipelineErrors['directory-invalid'].code;
      const kind = isRefused ? 'missing-output' : 'transfer';
      return { ok: false, error: { kind, message: `output '${output}': ${messageOf(error)}` } };
    }
  }
  return { ok: true, outputs, result };
}

async function storeFile(path: string, blobs: BlobStore): Promise<Artifact> {
  const { digest, bytes } = await blobs.put(createReadStream(path));
  return { digest, bytes };
}

function aDirectory(output: string, found: { isDirectory(): boolean }): string {
  return found.isDirectory() ? `it is a directory, not a file: declare '${output}/'` : 'it is not a file';
}
