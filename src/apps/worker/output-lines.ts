import { StringDecoder } from 'node:string_decoder';
import type { Progress } from '#pipelines';
import { LOG_LINE_LENGTH_MAX } from '#pipelines/contract';

/** Cuts the chunks of a stream into lines. A line longer than the limit of the log becomes several. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.write(Buffer.from(chunk))).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (this.#rest.length > LOG_LINE_LENGTH_MAX) {
      this.#onLine(this.#rest.slice(0, LOG_LINE_LENGTH_MAX));
      this.#rest = this.#rest.slice(LOG_LINE_LENGTH_MAX);
    }
  }

  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(rest);
  }

  #emit(line: string): void {
    if (line === '') this.#onLine('');
    for (let i = 0; i < line.length; i += LOG_LINE_LENGTH_MAX) this.#onLine(line.slice(i, i + LOG_LINE_LENGTH_MAX));
  }
}

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
    if (n < 0 || of < 0) return undefined;
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
