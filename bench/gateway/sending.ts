import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, rounded } from './figures.ts';
import { forestRows, prepareForest } from './forest-endpoint.ts';
import { OPEN_INFERENCE } from './peer-servers.ts';
import { pin } from './processor.ts';
import { loadWithWrk } from './wrk.ts';

/**
 * What it costs a gateway under full load to send its predictions to a control plane that takes all of them, beside one
 * whose control plane is away. What takes them is on the core of the load, so a part of the cost is the load's.
 *
 *     node bench/gateway/sending.ts [--connections 32] [--rounds 3] [--seconds 5] [--json]
 *
 * `loopP99Ms` is the 99th percentile of the delay of the event loop, `sentPerSecond` of what was answered.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const [connections, rounds, seconds] = [Number(values.connections), Number(values.rounds), Number(values.seconds)];
const pinned = availableParallelism() > 1;
const [SERVER_CORE, LOAD_CORE] = [0, 1];
const WARM_SECONDS = 2;

interface Round {
  readonly perSecond: number;
  readonly sentPerSecond: number;
  readonly loopP99Ms: number;
}

async function play(sends: boolean): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  const children: ChildProcess[] = [];
  const start = async (module: string, args: readonly string[], core: number) => {
    const child = fork(new URL(module, import.meta.url), args);
    children.push(child);
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    if (pinned) pin(child.pid as number, core);
    return { child, url };
  };
  try {
    await prepareForest(folder, join(folder, 'routing.json'));
    const sink = await start('./record-sink.ts', [], LOAD_CORE);
    const args = [folder, '{}', ...(sends ? [sink.url] : [])];
    const { child: gateway, url } = await start('./sending-server.ts', args, SERVER_CORE);
    const bodies = forestRows(256).map((row) => OPEN_INFERENCE.body([row]));
    const load = async (forSeconds: number) => {
      const order = { path: OPEN_INFERENCE.path, bodies, connections, url, seconds: forSeconds };
      const result = await loadWithWrk(folder, order, { core: pinned ? LOAD_CORE : undefined });
      if (result.errors > 0) throw new Error(`${result.errors} answers were not 200`);
      return result;
    };
    await load(WARM_SECONDS);
    const before = await sentBy(url);
    gateway.send('begin');
    const loaded = await load(seconds);
    gateway.send('report');
    const [loopP99Ms] = (await once(gateway, 'message')) as [number];
    const sent = (await sentBy(url)) - before;
    return { perSecond: loaded.requests / loaded.seconds, sentPerSecond: sent / loaded.seconds, loopP99Ms };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

/** How many predictions a gateway has sent. */
async function sentBy(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^kedge_gateway_shipped_total\{[^}]*outcome="accepted"[^}]*\} (\S+)/m.exec(text)?.[1] ?? 0);
}

const played: { readonly sends: Round; readonly away: Round }[] = [];
for (let round = 0; round < rounds; round++) played.push({ sends: await play(true), away: await play(false) });

const figures = (['sends', 'away'] as const).map((variant) => {
  const of = (pick: (round: Round) => number): number => median(played.map((each) => pick(each[variant])));
  const ratio = variant === 'sends' ? median(played.map(({ sends, away }) => sends.perSecond / away.perSecond)) : 1;
  return {
    ...{ variant, connections, perSecond: Math.round(of(({ perSecond }) => perSecond)), ratio: rounded(ratio) },
    sentPerSecond: Math.round(of(({ sentPerSecond }) => sentPerSecond)),
    loopP99Ms: rounded(of(({ loopP99Ms }) => loopP99Ms)),
  };
});
if (values.json) console.log(JSON.stringify({ bench: 'sending', figures }));
else console.table(figures);
