import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Json } from '#core/json';
import type { StepContext } from '#pipelines';
import { type HostReport, type HostRequest, metricLine, progressLine } from './host-protocol.ts';

/**
 * The child process in which one attempt of a function step runs: reads its request from standard input, calls the
 * function, writes a report and exits. It runs user code, so it decides nothing: the worker judges what it finds.
 */

const ORPHAN_CHECK_MS = 1_000;
const MESSAGE_LENGTH_MAX = 4_000;

async function main(): Promise<void> {
  const request: HostRequest = JSON.parse(readFileSync(0, 'utf8'));
  if (request.parent !== undefined) dieWithParent(request.parent);
  const cancelled = new AbortController();
  // The executor asks first and kills a few seconds later, so that a step can tidy up.
  process.on('SIGTERM', () => cancelled.abort(new Error('the step was stopped')));
  process.on('uncaughtException', (error) => end(request, thrown(error)));
  let report: HostReport;
  try {
    report = reportOf(await call(request, cancelled.signal), request.resultLengthMax);
  } catch (error) {
    report = thrown(error);
  }
  end(request, report);
}

async function call(request: HostRequest, signal: AbortSignal): Promise<unknown> {
  const module = await import(pathToFileURL(request.modulePath).href);
  const step: unknown = module[request.export];
  if (typeof step !== 'function') {
    const known = Object.keys(module).join(', ') || 'none';
    throw new Error(`the module exports no function '${request.export}' (its exports: ${known})`);
  }
  return step(contextOf(request, signal));
}

function contextOf(request: HostRequest, signal: AbortSignal): StepContext {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  return {
    params: request.params,
    inputs: request.inputs,
    output(name) {
      const path = Object.hasOwn(request.outputs, name) ? request.outputs[name] : undefined;
      if (path !== undefined) return path;
      const known = Object.keys(request.outputs).join(', ') || 'none';
      throw new RangeError(`the step declares no output '${name}' (it declares: ${known})`);
    },
    progress: (n, of, words) => print(progressLine({ n, of, text: words })),
    metric: (name, value) => print(metricLine(name, value)),
    log: (...parts) => print(format(...parts)),
    seed: request.seed,
    run: request.run,
    step: request.step,
    cause: request.cause,
    client: request.client,
    signal,
  };
}

function reportOf(value: unknown, lengthMax: number): HostReport {
  const refuse = (message: string): HostReport => ({ ok: false, kind: 'invalid-result', message });
  if (value === undefined) return { ok: true, result: null };
  try {
    const json = JSON.stringify(value);
    if (json === undefined) return refuse(`the step returned a ${typeof value}, which is not JSON`);
    if (json.length > lengthMax) {
      return refuse(`the result has ${json.length} characters of JSON, the limit is ${lengthMax}`);
    }
    return { ok: true, result: JSON.parse(json) as Json };
  } catch (error) {
    return refuse(`the result is not JSON: ${messageOf(error)}`);
  }
}

function thrown(error: unknown): HostReport {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : format(error)}\n`);
  const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : '';
  return { ok: false, kind: 'threw', message: `${name}${messageOf(error)}`.slice(0, MESSAGE_LENGTH_MAX) };
}

/** Exits also when the step left timers or sockets open, which would otherwise keep the process for ever. */
function end(request: HostRequest, report: HostReport): never {
  writeFileSync(`${request.resultPath}.tmp`, JSON.stringify(report));
  renameSync(`${request.resultPath}.tmp`, request.resultPath);
  process.exit(report.ok ? 0 : 1);
}

/** A worker that is killed cannot stop its steps. Somebody else runs this one again, so it must not go on. */
function dieWithParent(parent: number): void {
  systemClock.after(ORPHAN_CHECK_MS, () => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    dieWithParent(parent);
  });
}

await main();
