import { evaluate } from 'kedge/steps';
import type { HubFigures } from './broken-feed.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { Decision, Narrator } from './narrator.ts';
import type { DemoPlatform } from './platform.ts';
import { DAY, type Player, type Scored } from './player.ts';
import { stamp, type Timeline } from './timeline.ts';

const WEEK = 7 * DAY;
const FIRST_WEEK = Date.UTC(2001, 1, 5);
const BATCH = 256;
const RESAMPLES = 2_000;

interface Ending {
  readonly platform: DemoPlatform;
  readonly gateway: GatewayClient;
  readonly narrator: Narrator;
  readonly player: Player;
  readonly timeline: Timeline;
  readonly seed: number;
  readonly quick: boolean;
  readonly startedAt: number;
  readonly hubs: HubFigures | null;
}

interface Week {
  readonly week: string;
  readonly requests: number;
  readonly baseRate: number;
  readonly staticAuc: number | null;
  readonly keptAuc: number | null;
  readonly staticLogLoss: number | null;
  readonly keptLogLoss: number | null;
  readonly revisions: readonly string[];
}

/** Compares what was answered with what the first model would have answered, tells it, and returns every figure. */
export async function writeReport(ending: Ending) {
  const { platform, gateway, narrator, player, timeline, seed, quick, startedAt } = ending;
  timeline.act(9, 'What it was worth: the first model left alone against the model that was kept fresh');
  // Answers come in any order, and a sum of fractions depends on the order of its terms.
  const answered = [...player.scored.values()].sort((a, b) => a.flight.flight - b.flight.flight);
  const left = await scoresOfFirstModel(gateway, answered);
  const weeks = byWeek(answered, left);
  const gain = gainOf(weeks, seed);
  tellWeeks(timeline, weeks);
  const audit = await platform.kedge.activity.verifyAudit();
  const skew = await auditSkew(platform, player);
  const seconds = (performance.now() - startedAt) / 1_000;
  timeline.tell(
    null,
    `gain in AUC, kept fresh over left alone: ${gain.mean.toFixed(4)} ` +
      `(95 % ${gain.low.toFixed(4)} to ${gain.high.toFixed(4)})`,
  );
  timeline.tell(
    null,
    `${gateway.answered} requests, ${gateway.fallbacks} answered by the fallback, ` +
      `${gateway.failures} failures seen by clients`,
  );
  timeline.tell(
    null,
    `audit: ${audit.entries} entries, chain ${audit.ok ? 'whole' : `BROKEN at ${audit.seq}`}; ${skew.sentence}`,
  );
  timeline.tell(null, `${seconds.toFixed(0)} s after the platform was started`);
  return {
    seed,
    quick,
    seconds,
    readySeconds: platform.readyMs / 1_000,
    requests: {
      answered: gateway.answered,
      fallbacks: gateway.fallbacks,
      failures: gateway.failures,
      retries: gateway.retries,
    },
    gain,
    weeks,
    decisions: narrator.decisions.map(({ at, text, type, subject, data }) => ({
      at: new Date(at).toISOString(),
      type,
      subject,
      text,
      data,
    })),
    rollouts: rolloutTimes(narrator.decisions),
    hubs: ending.hubs,
    skew,
    audit,
  };
}

/** The first registered version scored on every request that was answered: what doing nothing would have given. */
async function scoresOfFirstModel(gateway: GatewayClient, answered: readonly Scored[]): Promise<Float64Array> {
  const scores = new Float64Array(answered.length);
  for (let from = 0; from < answered.length; from += BATCH) {
    const rows = answered.slice(from, from + BATCH).map(({ flight }) => flight);
    const inputs = [
      {
        name: 'features',
        shape: [rows.length, 4],
        datatype: 'FP32',
        data: rows.flatMap(({ hour, minute, weekday, distance }) => [hour, minute, weekday, distance]),
      },
      {
        name: 'categories',
        shape: [rows.length, 2],
        datatype: 'BYTES',
        data: rows.flatMap(({ origin, destination }) => [origin, destination]),
      },
    ];
    scores.set(await gateway.infer('late-arrivals', 1, inputs), from);
  }
  return scores;
}

function byWeek(answered: readonly Scored[], left: Float64Array): Week[] {
  const groups = new Map<number, number[]>();
  answered.forEach(({ flight }, i) => {
    const week = Math.floor((flight.departedAt - FIRST_WEEK) / WEEK);
    if (week < 0) return;
    const group = groups.get(week);
    if (group) group.push(i);
    else groups.set(week, [i]);
  });
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([week, rows]) => {
      const labels = Float32Array.from(rows, (i) => ((answered[i] as Scored).flight.late ? 1 : 0));
      const kept = evaluate(
        Float64Array.from(rows, (i) => (answered[i] as Scored).probability),
        labels,
      );
      const first = evaluate(
        Float64Array.from(rows, (i) => left[i] as number),
        labels,
      );
      return {
        week: new Date(FIRST_WEEK + week * WEEK).toISOString().slice(5, 10),
        requests: rows.length,
        baseRate: kept.baseRate,
        staticAuc: first.auc,
        keptAuc: kept.auc,
        staticLogLoss: first.logLoss,
        keptLogLoss: kept.logLoss,
        revisions: [...new Set(rows.map((i) => (answered[i] as Scored).revision))],
      };
    });
}

/** Mean difference of the weekly AUC, with a bootstrap interval over weeks: requests of a week share its weather. */
function gainOf(weeks: readonly Week[], seed: number): { mean: number; low: number; high: number; weeks: number } {
  const differences = weeks.flatMap(({ keptAuc, staticAuc }) =>
    keptAuc === null || staticAuc === null ? [] : [keptAuc - staticAuc],
  );
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  let state = seed * 2_654_435_761 + 1;
  const draw = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return state / 4_294_967_296;
  };
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(differences.map(() => differences[Math.floor(draw() * differences.length)] as number)),
  ).sort((a, b) => a - b);
  return {
    mean: mean(differences),
    low: means[Math.floor(RESAMPLES * 0.025)] as number,
    high: means[Math.floor(RESAMPLES * 0.975)] as number,
    weeks: differences.length,
  };
}

function tellWeeks(timeline: Timeline, weeks: readonly Week[]): void {
  const figure = (value: number | null): string => (value === null ? '-' : value.toFixed(3));
  timeline.table([
    [
      'week of',
      'requests',
      'late',
      'AUC left alone',
      'AUC kept fresh',
      'loss left alone',
      'loss kept fresh',
      'answered by',
    ],
    ...weeks.map((week) => [
      week.week,
      String(week.requests),
      week.baseRate.toFixed(3),
      figure(week.staticAuc),
      figure(week.keptAuc),
      figure(week.staticLogLoss),
      figure(week.keptLogLoss),
      week.revisions.map((revision) => revision.split('@')[1]).join(' '),
    ]),
  ]);
}

/** Each rollout with the event time from its start to its end, in hours. */
function rolloutTimes(decisions: readonly Decision[]) {
  return decisions
    .filter(({ type }) => type === 'serving.rollout-finished')
    .map((end) => {
      const start = decisions.find(
        (d) => d.type === 'serving.rollout-started' && d.data['rollout'] === end.data['rollout'],
      );
      return {
        candidate: end.data['candidate'],
        outcome: end.data['outcome'],
        startedAt: start ? stamp(start.at) : null,
        endedAt: stamp(end.at),
        hours: start ? (end.at - start.at) / 3_600_000 : null,
        wallSeconds: start ? (end.time - start.time) / 1_000 : null,
        sentence: end.data['sentence'],
      };
    });
}

/** Two weeks: a model that was taken back leaves days on which nothing of the endpoint's present features was used. */
async function auditSkew({ kedge }: DemoPlatform, player: Player) {
  return kedge.monitoring.auditSkew({
    params: { endpoint: 'late-arrivals' },
    body: { from: player.at - 14 * DAY, to: player.at, sample: 500 },
  });
}
