import type { Cause } from '#core/cause';
import type { Json } from '#core/json';
import type { Progress, StepErrorKind } from '#pipelines';

/**
 * What a worker and its step hosts say to each other. This file is loaded by every step, so it imports types only: a
 * validator here would double the time that a process needs to start.
 */

/** What the worker writes to the standard input of a step host. */
export interface HostRequest {
  /** Absolute path of the module in the unpacked bundle. */
  readonly modulePath: string;
  readonly export: string;
  readonly params: Readonly<Record<string, Json>>;
  /** Name to absolute path. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** The working folder. */
  readonly cwd: string;
  readonly resultPath: string;
  /** The longest result, in characters of JSON. */
  readonly resultLengthMax: number;
  readonly seed: number;
  readonly run: string;
  readonly step: string;
  readonly cause: Cause;
  readonly client: { readonly url: string; readonly token?: string };
  /** The process that the host must not outlive. Absent where an executor takes care of it. */
  readonly parent?: number;
}

/**
 * How the function ended. A host that takes further requests says a short one with the end of its output, by which
 * neither has to touch the disk; else it lies at `resultPath`. Without it, the process ended before the function.
 */
export type HostReport =
  | { readonly ok: true; readonly result: Json }
  | { readonly ok: false; readonly kind: StepErrorKind; readonly message: string };

export type Marker =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'metric'; readonly name: string; readonly value: number };

const NUMBER = '[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?';
const PROGRESS = new RegExp(`^::kedge:progress (${NUMBER})/(${NUMBER})(?: (.*))?$`);
const METRIC = new RegExp(`^::kedge:metric (\\S{1,200}) (${NUMBER})$`);

/** What a line of standard output tells the worker; undefined for a line that is just output. */
export function parseMarker(line: string): Marker | undefined {
  if (!line.startsWith('::kedge:')) return undefined;
  const progress = PROGRESS.exec(line);
  if (progress) {
    const [n, of] = [Number(progress[1]), Number(progress[2])];
    if (!(n >= 0 && of >= 0 && Number.isFinite(n + of))) return undefined;
    return { type: 'progress', progress: { n, of, ...(progress[3] ? { text: progress[3].slice(0, 500) } : {}) } };
  }
  const metric = METRIC.exec(line);
  const value = Number(metric?.[2]);
  return metric && Number.isFinite(value) ? { type: 'metric', name: metric[1] as string, value } : undefined;
}

export function progressLine({ n, of, text }: Progress): string {
  return `::kedge:progress ${n}/${of}${text ? ` ${text.replaceAll(/\s+/g, ' ')}` : ''}`;
}

export function metricLine(name: string, value: number): string {
  return `::kedge:metric ${name} ${value}`;
}
