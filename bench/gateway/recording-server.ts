import { Recorder } from '#serving/recorder';

/*
 * The gateway of `gateway-server.ts`, which from the message `{ spanMs }` on records in one span of time and not in
 * the next, either first in a pair of them, until it is asked to `report` and sends its pairs.
 */

export interface Span {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** Two spans that lay beside each other. */
export interface Pair {
  readonly on: Span;
  readonly off: Span;
}

const { record } = Recorder.prototype;
let isOn = true;
let count = 0;

Recorder.prototype.record = function counted(this: Recorder, predictions): void {
  count += predictions.length;
  if (isOn) record.call(this, predictions);
};

await import('./gateway-server.ts');

function measure(spanMs: number): () => readonly Pair[] {
  const pairs: Pair[] = [];
  let first: Span | undefined;
  let began = now();
  const timer = setInterval(() => {
    const ended = now();
    const predictions = ended.count - began.count;
    const perSecond = (1_000 * predictions) / (ended.ms - began.ms);
    const span = { perSecond, cpuUs: (ended.cpuUs - began.cpuUs) / predictions };
    if (first) pairs.push(isOn ? { on: span, off: first } : { on: first, off: span });
    first = first ? undefined : span;
    isOn = first ? !isOn : Math.random() < 0.5;
    began = now();
  }, spanMs);
  return () => {
    clearInterval(timer);
    isOn = true;
    return pairs;
  };
}

function now(): { readonly ms: number; readonly count: number; readonly cpuUs: number } {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), count, cpuUs: user + system };
}

let finish: (() => readonly Pair[]) | undefined;

process.on('message', (asked: 'report' | { readonly spanMs: number }) => {
  if (asked === 'report') process.send?.(finish?.() ?? []);
  else finish = measure(asked.spanMs);
});
