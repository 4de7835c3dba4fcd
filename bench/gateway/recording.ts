import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, rounded } from './figures.ts';
import { forestRows, prepareForest } from './forest-endpoint.ts';
import { OPEN_INFERENCE, type Rows } from './peer-servers.ts';
import { pin } from './processor.ts';
import type { Pair } from './recording-server.ts';
import { loadWithWrk } from './wrk.ts';

/**
 * What recording costs a gateway of its throughput, under one load that does not end while the gateway records in one
 * span of time and not in the next. Two gateways beside each other differ by more than that, as two equal ones do.
 *
 *     node bench/gateway/recording.ts [--connections 8,32,64] [--rows 1] [--delay-ms 10] [--launches 5] [--seconds 8]
 *                                     [--span-ms 50] [--json]
 *
 * `ratio` is the rate with recording to the rate without: of each gateway the median of its pairs of spans, and of the
 * gateways that were launched the median, the lowest and the highest. `cpuUs` is processor time of the gateway a row,
 * `--delay-ms` is `KEDGE_RECORD_DELAY_MS`.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '8,32,64' },
    rows: { type: 'string', default: '1' },
    'delay-ms': { type: 'string', default: '10' },
    launches: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    'span-ms': { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const [rows, launches, seconds] = [Number(values.rows), Number(values.launches), Number(values.seconds)];
const [spanMs, recordDelayMs] = [Number(values['span-ms']), Number(values['delay-ms'])];
const pinned = availableParallelism() > 1;
const [SERVER_CORE, LOAD_CORE] = [0, 1];
const WARM_SECONDS = 2;
/** Pairs at either end in which the load was not the whole one. */
const EDGE_PAIRS = 2;

const batches: Rows[] = Array.from({ length: Math.ceil(256 / rows) }, (_, i) =>
  forestRows(256).slice(i * rows, (i + 1) * rows),
);
const order = { path: OPEN_INFERENCE.path, bodies: batches.map((batch) => OPEN_INFERENCE.body(batch)) };

/** The pairs of one gateway, which is started for them. */
async function launch(connections: number): Promise<readonly Pair[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  let child: ChildProcess | undefined;
  try {
    await prepareForest(folder, join(folder, 'routing.json'));
    child = fork(new URL('./recording-server.ts', import.meta.url), [folder, JSON.stringify({ recordDelayMs })]);
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    if (pinned) pin(child.pid as number, SERVER_CORE);
    const load = async (forSeconds: number): Promise<void> => {
      const given = { ...order, connections, url, seconds: forSeconds };
      const { errors } = await loadWithWrk(folder, given, { core: pinned ? LOAD_CORE : undefined });
      if (errors > 0) throw new Error(`${errors} answers were not 200`);
    };
    await load(WARM_SECONDS);
    child.send({ spanMs });
    await load(seconds);
    child.send('report');
    const [pairs] = (await once(child, 'message')) as [readonly Pair[]];
    return pairs.slice(EDGE_PAIRS, -EDGE_PAIRS);
  } finally {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

async function figuresFor(connections: number): Promise<object> {
  const launched: (readonly Pair[])[] = [];
  for (let i = 0; i < launches; i++) launched.push(await launch(connections));
  const ratios = launched.map((pairs) => median(pairs.map(({ on, off }) => on.perSecond / off.perSecond)));
  const all = launched.flat();
  const of = (pick: (pair: Pair) => number): number => Math.round(10 * median(all.map(pick))) / 10;
  return {
    ...{ connections, rows, delayMs: recordDelayMs, pairs: all.length, ratio: rounded(median(ratios)) },
    ...{ lowest: rounded(Math.min(...ratios)), highest: rounded(Math.max(...ratios)) },
    ...{ perSecondOn: Math.round(of(({ on }) => on.perSecond)), cpuUsOn: of(({ on }) => on.cpuUs) },
    ...{ perSecondOff: Math.round(of(({ off }) => off.perSecond)), cpuUsOff: of(({ off }) => off.cpuUs) },
  };
}

const figures: object[] = [];
for (const connections of values.connections.split(',').map(Number)) figures.push(await figuresFor(connections));
if (values.json) console.log(JSON.stringify({ bench: 'recording', figures }));
else console.table(figures);
