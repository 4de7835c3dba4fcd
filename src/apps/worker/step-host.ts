import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Json } from '#core/json';
import type { StepContext } from '#pipelines';
import { type HostReport, type HostRequest, metricLine, progressLine } from './host-protocol.ts';

/**
 * The child process in which attempts of function steps run: reads its request from standard input, calls the function
 * and reports. It exits then, unless it was started with `--serve <mark>` and the function left nothing behind:
 * then it takes the next request. It runs user code, so it decides nothing: the worker judges what it finds.
 */

const ORPHAN_CHECK_MS = 1_000;
const MESSAGE_LENGTH_MAX = 4_000;
/** A longer report does not fit into the line that ends the output of a request. */
const ANSWER_BYTES_MAX = 400;

interface Running {
  readonly request: HostRequest;
  readonly cancelled: AbortController;
  readonly cpuBefore: NodeJS.CpuUsage;
}

const [word, mark] = process.argv.slice(2);
let running: Running | undefined;

async function main(): Promise<void> {
  // The executor asks first and kills a few seconds later, so that a step can tidy up.
  process.on('SIGTERM', () => {
    if (running) running.cancelled.abort(new Error('the step was stopped'));
    else process.exit(0);
  });
  process.on('uncaughtException', (error) => {
    if (!running) throw error;
    end(running, thrown(error), { mayGoOn: false });
  });
  if (word !== '--serve') {
    await serve(JSON.parse(readFileSync(0, 'utf8')));
    return;
  }
  for await (const line of createInterface({ input: process.stdin })) await serve(JSON.parse(line));
  process.exit(0);
}

async function serve(request: HostRequest): Promise<void> {
  if (request.parent !== undefined) dieWithParent(request.parent);
  const now: Running = { request, cancelled: new AbortController(), cpuBefore: process.cpuUsage() };
  running = now;
  const before = process.getActiveResourcesInfo().length;
  try {
    process.chdir(request.cwd);
    const report = reportOf(await call(request, now.cancelled.signal), request.resultLengthMax);
    // What the function left open, such as a timer, would go on beside the next one.
    end(now, report, { mayGoOn: report.ok && process.getActiveResourcesInfo().length <= before });
  } catch (error) {
    end(now, thrown(error), { mayGoOn: false });
  }
}

async function call(request: HostRequest, signal: AbortSignal): Promise<unknown> {
  const module = await moduleAt(request.modulePath);
  const step: unknown = module[request.export];
  if (typeof step !== 'function') {
    const known = Object.keys(module).join(', ') || 'none';
    throw new Error(`the module exports no function '${request.export}' (its exports: ${known})`);
  }
  return step(contextOf(request, signal));
}

const modules = new Map<string, Record<string, unknown>>();

/** Node looks for the file at each import. A path of a bundle has one content for ever, so that once is enough. */
async function moduleAt(path: string): Promise<Record<string, unknown>> {
  const known = modules.get(path);
  if (known) return known;
  const module: Record<string, unknown> = await import(pathToFileURL(path).href);
  modules.set(path, module);
  return module;
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

/** Without the frames of this file and of the event loop, which say nothing of the step. */
function stackOf({ stack, message }: Error): string {
  const isOwn = (line: string): boolean => line.includes(import.meta.url) || line.includes('(node:internal/process/');
  return (
    stack
      ?.split('\n')
      .filter((line) => !isOwn(line))
      .join('\n') ?? message
  );
}

function thrown(error: unknown): HostReport {
  process.stderr.write(`${error instanceof Error ? stackOf(error) : format(error)}\n`);
  const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : '';
  return { ok: false, kind: 'threw', message: `${name}${messageOf(error)}`.slice(0, MESSAGE_LENGTH_MAX) };
}

/** Exits also when the step left timers or sockets open, which would otherwise keep the process for ever. */
function end(ended: Running, report: HostReport, { mayGoOn }: { readonly mayGoOn: boolean }): void {
  // A function that threw where nobody caught it may still return.
  if (running !== ended) return;
  running = undefined;
  const { request, cpuBefore } = ended;
  const text = JSON.stringify(report);
  const answer = JSON.stringify(text);
  const isShort = mark !== undefined && Buffer.byteLength(answer) <= ANSWER_BYTES_MAX;
  // Read when this says that it is done; a part of it, from a process that was killed, is no JSON.
  if (!isShort) writeFileSync(request.resultPath, text);
  const code = report.ok ? 0 : 1;
  if (mark === undefined) process.exit(code);
  const { user, system } = process.cpuUsage(cpuBefore);
  const rssPeakBytes = process.resourceUsage().maxRSS * 1024;
  const cpuMs = (user + system) / 1_000;
  const served = JSON.stringify({ code, again: mayGoOn, cpuMs, rssPeakBytes, ...(isShort ? { answer: text } : {}) });
  process.stdout.write(`\x1e${mark} ${served}\n`);
  process.stderr.write(`\x1e${mark} ${served}\n`, () => {
    if (!mayGoOn) process.exit(code);
  });
}

/** Once, for all requests come from the same worker. */
let watched = false;

/** A worker that is killed cannot stop its steps. Somebody else runs this one again, so it must not go on. */
function dieWithParent(parent: number): void {
  if (watched) return;
  watched = true;
  const look = (): void => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    systemClock.after(ORPHAN_CHECK_MS, look);
  };
  systemClock.after(ORPHAN_CHECK_MS, look);
}

await main();
