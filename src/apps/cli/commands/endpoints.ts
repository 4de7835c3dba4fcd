import type { Command } from 'commander';
import type { Kedge } from '#client';
import { ProblemError } from '#platform/contract';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';

type Endpoint = Awaited<ReturnType<Kedge['serving']['getEndpoint']>>;
type Rollout = NonNullable<Endpoint['rollout']>;
type Summary = Awaited<ReturnType<Kedge['monitoring']['getSummary']>>;
type Traffic = Awaited<ReturnType<Kedge['serving']['getRolloutTraffic']>>;
type Protection = NonNullable<Endpoint['spec']['protection']>;

/** `kedge endpoints`: what answers under which name, and whether it may change. */
export function endpointCommands(program: Command): void {
  const endpoints = program.command('endpoints').description('list, describe and unlock endpoints');
  connected(
    endpoints.command('list', { isDefault: true }).description('list endpoints with what answers there'),
  ).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.serving.listEndpoints();
      if (options.json) return printJson(items);
      const rows = items.map(({ name, current, rollout, locked }) => [
        ...[name, current?.revision ?? null, rollout && candidatesOf(rollout), rollout?.stage ?? null],
        ...[rollout && `${percent(rollout.weight)} %`, locked ? 'locked' : ''],
      ]);
      const header = ['endpoint', 'current', 'candidate', 'stage', 'traffic', 'lock'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }),
  );
  connected(
    endpoints.command('describe <endpoint>').description('show what it routes to, its protection and its traffic'),
  ).action(
    withKedge(async (kedge, [endpoint = ''], options) => {
      const found = await kedge.serving.getEndpoint({ params: { endpoint } });
      const summary = await orNull(kedge.monitoring.getSummary({ params: { endpoint } }));
      const { rollout } = found;
      const traffic = rollout?.live
        ? await orNull(kedge.serving.getRolloutTraffic({ params: { rollout: rollout.id } }))
        : null;
      if (options.json) return printJson({ ...found, summary, traffic });
      process.stdout.write(`${describe(found, summary, traffic)}\n`);
    }),
  );
  connected(endpoints.command('unlock <endpoint>').description('let rollouts start again after a rollback'))
    .requiredOption('--reason <text>', 'why it is safe to')
    .action(
      withKedge(async (kedge, [endpoint = ''], options) => {
        const body = { reason: String(options['reason']) };
        const found = await kedge.serving.unlockEndpoint({ params: { endpoint }, body });
        if (options.json) return printJson(found);
        process.stdout.write(`${found.name} is unlocked\n`);
      }),
    );
}

/** Whoever may see an endpoint may lack the permission for what is measured of it. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProblemError && (error.problem.status === 403 || error.problem.status === 404)) return null;
    throw error;
  }
}

function describe(endpoint: Endpoint, summary: Summary | null, traffic: Traffic | null): string {
  const { name, spec, current, rollout, queued, locked, lockReason } = endpoint;
  const { errorRateMax, latencyP95MsMax, window } = spec.guardrail;
  const facts: [string, string][] = [
    ['endpoint', name],
    ['current', current ? `${current.revision} since ${timeOf(current.since)}` : 'none: nothing answers'],
    ['challengers', queued === null ? spec.challengers : `${spec.challengers}; version ${queued} waits`],
    ['lock', locked ? `locked: ${lockReason ?? ''}` : 'not locked'],
    ['timeout', `${spec.timeoutMs} ms`],
    ['guardrail', `${percent(100 * errorRateMax)} % errors, ${latencyP95MsMax} ms at the 95th percentile, ${window}`],
    ...(spec.features ? [['features', spec.features.views.join(', ')] as [string, string]] : []),
    ...(spec.protection ? protectionOf(spec.protection) : []),
    ...(summary ? summaryOf(summary) : []),
  ];
  const width = Math.max(...facts.map(([title]) => title.length));
  const lines = facts.map(([title, text]) => `${title.padEnd(width)}  ${printable(text)}`);
  if (!rollout) return lines.join('\n');
  lines.push('', `${rollout.id}: ${candidatesOf(rollout)}, ${rollout.live?.strategy ?? 'paired'}, ${rollout.stage}`);
  if (rollout.paused) lines.push(printable(`paused: ${rollout.paused.reason}`));
  else if (rollout.live?.hold) lines.push(printable(`holds: ${rollout.live.hold.sentence}`));
  lines.push('', armTable(rollout, traffic));
  return lines.join('\n');
}

function protectionOf(protection: Protection): [string, string][] {
  const { callers, limits, concurrency, lifecycle, cache, breaker, fallbacks } = protection;
  const facts: [string, string | undefined][] = [
    ['callers', callers?.join(', ')],
    ['limits', limits.map((one) => `${one.perSecond} ${one.counts} a second per ${one.per}`).join(', ') || undefined],
    ['concurrency', concurrency ? `${concurrency.max}${concurrency.adaptive ? ', adaptive' : ''}` : undefined],
    ['cache', cache ? `${cache.ttlMs} ms, ${cache.entriesMax} answers` : undefined],
    ['breaker', breaker ? `at ${percent(100 * breaker.failureRate)} % failures` : undefined],
    ['fallbacks', fallbacks.map(({ by }) => by).join(', then ') || undefined],
    ['deprecated', lifecycle ? `${lifecycle.deprecated}, sunset ${lifecycle.sunset ?? 'not set'}` : undefined],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function summaryOf({ predictions, monitors }: Summary): [string, string][] {
  const { total, labelled, lastAt } = predictions;
  const last = lastAt === null ? '' : `, the last at ${timeOf(lastAt)}`;
  const firing = monitors.flatMap((monitor) => monitor.firing.map(({ alert }) => `${monitor.monitor}/${alert}`));
  return [
    ['predictions', `${total} recorded, ${labelled} with a label${last}`],
    ...(monitors.length > 0 ? [['alerts', firing.join(', ') || 'none fires'] as [string, string]] : []),
  ];
}

interface Seen {
  readonly answered: number;
  readonly scored: number;
  readonly failures: number;
  readonly typicalMs: number | null;
}

/** What each arm gets and, of a rollout on live traffic, what gateways saw of it in the newest blocks. */
function armTable(rollout: Rollout, traffic: Traffic | null): string {
  const { model, current, candidate, weight, live } = rollout;
  const arms = live?.arms?.filter(({ out }) => out === null) ?? [
    { name: 'current', version: current, weight: 100 - weight },
    { name: 'candidate', version: candidate, weight },
  ];
  const blocks = traffic?.blocks.slice(-RECENT_BLOCKS) ?? [];
  const spanMs = Math.max(0, ...blocks.map(({ end }) => end)) - Math.min(...blocks.map(({ start }) => start));
  const rows = arms.map((arm) => {
    const seen = blocks.flatMap((block): Seen[] => {
      const found = arm.name === 'current' ? block.current : (block.arms?.[arm.name] ?? block.candidate);
      return found ? [found] : [];
    });
    const { answered, scored, failures, typicalMs } = sumOf(seen);
    return [
      ...[arm.name, arm.version === null ? null : `${model}@${arm.version}`, `${percent(arm.weight)} %`],
      blocks.length === 0 ? null : `${percent((1_000 * answered) / spanMs)}/s`,
      ...[scored === 0 ? null : `${percent((100 * failures) / scored)} %`],
      ...[typicalMs === null ? null : `${percent(typicalMs)} ms`],
    ];
  });
  return formatTable(['arm', 'revision', 'traffic', 'answers', 'errors', 'latency'], rows);
}

const RECENT_BLOCKS = 30;

/** The latency is the geometric mean, as that of each block is. */
function sumOf(seen: readonly Seen[]): Seen {
  let [answered, scored, failures, logSum, timed] = [0, 0, 0, 0, 0];
  for (const one of seen) {
    answered += one.answered;
    scored += one.scored;
    failures += one.failures;
    if (one.typicalMs === null) continue;
    logSum += one.answered * Math.log(one.typicalMs);
    timed += one.answered;
  }
  return { answered, scored, failures, typicalMs: timed === 0 ? null : Math.exp(logSum / timed) };
}

function candidatesOf({ model, candidate, live }: Rollout): string {
  const versions = live?.arms?.filter(({ name, out }) => name !== 'current' && !out).map(({ version }) => version);
  return `${model}@${versions?.join(',') ?? candidate}`;
}

/** With as many digits as are worth reading. */
function percent(value: number): number {
  return Number(value.toPrecision(3));
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}

/** What others wrote must not steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '·');
}
