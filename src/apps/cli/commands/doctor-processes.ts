import { resolve } from 'node:path';
import { messageOf } from '#core/errors';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { ProblemError } from '#platform/contract';
import type { ProcessView } from '#serving';
import { holderOf } from '../../data-dir.ts';
import { type ConnectionOptions, connectFrom } from '../connection.ts';
import { CertificateError, certificateWords, jsonOverTls } from './doctor-tls.ts';

export interface Finding {
  readonly check: string;
  /** `not-running`: it does not run, and nothing says that it should. */
  readonly status: 'ok' | 'failed' | 'not-running';
  readonly detail: string;
}

const ANSWER_WITHIN_MS = 3_000;
/** An idle worker asks for work every ten seconds, and a busy one beats more often. */
const SEEN_WITHIN_MS = 30_000;

/**
 * Looks for the control plane, the gateway and the workers where the data directory says that they were started. What
 * was started, and a control plane that is asked for by its address, has to answer; anything else may be stopped.
 */
export async function processFindings(options: ConnectionOptions): Promise<Finding[]> {
  const config = loadConfig({ dataDir: options.data });
  const dir = resolve(config.dataDir);
  const holder = holderOf(dir);
  const url = (options.url ?? holder?.controlPlane ?? config.controlPlaneUrl).replace(/\/$/, '');
  const scheme = config.tlsCert === '' ? 'http' : 'https';
  const gateway = holder?.gateway ?? `${scheme}://${config.host}:${config.gatewayPort}`;
  const started = holder !== undefined;
  const why = holder ? `process ${holder.pid} keeps it started` : `nothing is started on ${dir}`;
  return Promise.all([
    finding('control plane', {
      expected: started || options.url !== undefined,
      absent: options.url === undefined ? `not running at ${url}; ${why}` : `not running at ${url}`,
      work: async () => `answers at ${url}, version ${await versionAt(url)}`,
    }),
    finding('gateway', {
      expected: holder?.gateway !== undefined,
      absent: `not running at ${gateway}; ${started && !holder.gateway ? 'none was started' : why}`,
      work: () => (gateway.startsWith('https:') ? gatewayOverTls(gateway, config.tlsCert) : gatewayAt(gateway)),
    }),
    finding('workers', {
      expected: started && holder.workers > 0,
      absent:
        started && holder.workers > 0
          ? `not running; ${holder.workers} were started by process ${holder.pid}`
          : `not running; ${started ? 'none was started' : why}`,
      work: () => workersOf({ ...options, url }),
    }),
  ]);
}

interface Looked {
  /** Whether it should run. */
  readonly expected: boolean;
  /** What to say when it does not. */
  readonly absent: string;
  /** Resolves to what there is; throws why it cannot be reached, or an {@link AmissError}. */
  readonly work: () => Promise<string>;
}

async function finding(check: string, { expected, absent, work }: Looked): Promise<Finding> {
  try {
    return { check, status: 'ok', detail: await work() };
  } catch (error) {
    if (error instanceof AmissError) return { check, status: 'failed', detail: error.message };
    return expected
      ? { check, status: 'failed', detail: `${absent}: ${reasonOf(error)}` }
      : { check, status: 'not-running', detail: absent };
  }
}

/** Something answers, and what it answers is wrong. */
class AmissError extends Error {
  override readonly name = 'AmissError';
}

async function versionAt(url: string): Promise<string> {
  const { status, version } = await answerOf(`${url}/api/v1/health`);
  if (status !== 'ok' || typeof version !== 'string') throw new AmissError(`${url} answers, but not as Kedge does`);
  return version;
}

async function gatewayAt(url: string): Promise<string> {
  const { live } = await answerOf(`${url}/v2/health/live`);
  if (live !== true) throw new AmissError(`${url} answers, but not as a gateway does`);
  const { processes } = await answerOf(`${url}/v1/processes`);
  return `answers at ${url}${severalOf(processes)}`;
}

/** The certificate is looked at first: it is told of also where the gateway lets nobody in without one of theirs. */
async function gatewayOverTls(url: string, certFile: string): Promise<string> {
  const place = { url, certFile, withinMs: ANSWER_WITHIN_MS };
  const certificate = await certificateWords(place, realSystem().clock.now()).catch((error) => {
    throw error instanceof CertificateError ? new AmissError(error.message) : error;
  });
  const health = await jsonOverTls(`${url}/v2/health/live`, ANSWER_WITHIN_MS);
  if (health === undefined)
    return `answers at ${url} with ${certificate}; asks clients for theirs, and doctor has none`;
  if (fieldsOf(health)['live'] !== true) throw new AmissError(`${url} answers, but not as a gateway does`);
  const { processes } = fieldsOf(await jsonOverTls(`${url}/v1/processes`, ANSWER_WITHIN_MS));
  return `answers at ${url} with ${certificate}${severalOf(processes)}`;
}

function severalOf(processes: unknown): string {
  return Array.isArray(processes) && processes.length > 1 ? wordsOf(processes) : '';
}

/** Of each process that serves the address together with others. Told to whoever may ask, which others are not. */
function wordsOf(processes: readonly ProcessView[]): string {
  const words = processes.map(({ process: place, pid, state, starts, connections }) => {
    const restarts = starts > 1 ? `, started ${starts} times` : '';
    return `${place} (pid ${pid ?? '-'}) ${state}, ${connections} connections${restarts}`;
  });
  return `, ${processes.length} processes: ${words.join('; ')}`;
}

async function workersOf(options: ConnectionOptions): Promise<string> {
  const now = realSystem().clock.now();
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const { items } = await connectFrom(options)
    .pipelines.listWorkers({ signal })
    .catch((error) => {
      if (error instanceof ProblemError) throw new AmissError(`not told of by the control plane: ${error.message}`);
      throw error;
    });
  const seen = items.filter(({ seenAt }) => now - seenAt <= SEEN_WITHIN_MS);
  if (seen.length === 0) throw new Error(`none has asked for work within ${SEEN_WITHIN_MS / 1_000} s`);
  const ages = seen.map(({ worker, seenAt }) => `${worker} ${Math.max(0, Math.round((now - seenAt) / 1_000))} s ago`);
  return `${seen.length} seen: ${ages.join(', ')}`;
}

/** The fields of a JSON answer, whatever its status; none of an answer that is no JSON. */
async function answerOf(url: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return fieldsOf(await response.json().catch(() => null));
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}

/** `fetch failed` says nothing; its cause names the connection. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return messageOf(cause ?? error);
}
