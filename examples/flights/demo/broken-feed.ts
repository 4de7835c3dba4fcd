import { evaluate } from 'kedge/steps';
import { unlessDone } from './patience.ts';
import type { DemoPlatform } from './platform.ts';
import { DAY, HOUR } from './player.ts';
import { HUBS } from './source.ts';
import type { Stage } from './story.ts';
import { iso } from './timeline.ts';
import { untilIdle } from './until-idle.ts';

const BROKEN_MS = 3 * DAY;

/** How the answers to flights from the hubs fared while their reports were broken. */
export interface HubFigures {
  readonly gate: 'on' | 'off';
  readonly requests: number;
  readonly meanPrediction: number;
  readonly lateShare: number;
  readonly auc: number | null;
  readonly ece: number | null;
  /** The feature whose PSI passed its calibrated threshold by the greatest factor in a window of these days. */
  readonly loudest: { readonly feature: string; readonly psi: number; readonly threshold: number } | null;
}

/** Six hubs report delays in seconds for three days. A person repairs what the expectation held, if there is one. */
export async function brokenFeed(stage: Stage, from: number): Promise<HubFigures> {
  const { platform, player, timeline, gateOff } = stage;
  timeline.act(6, 'INJECTED FAULT: from 15 May six hubs report delays in seconds');
  await untilIdle(player, platform, from + 6 * DAY);
  const start = player.at;
  if (gateOff) {
    timeline.user("takes out the expectation 'delays are minutes', to see what it is worth");
    await changeDataset(platform, (spec) => ({
      ...spec,
      expectations: (spec['expectations'] as { name: string }[]).filter(({ name }) => name !== 'delays are minutes'),
    }));
  }
  player.garble(start, start + BROKEN_MS);
  player.askDensely(start + BROKEN_MS);
  await player.play(start + 12 * HOUR);
  if (!gateOff) {
    timeline.user('declares a repair (÷ 60 at those hubs) and releases what was held');
    await repairFeed(stage, start);
  }
  await player.play(start + 4 * DAY);
  const figures = await hubFigures(stage, start);
  tell(stage, figures);
  return figures;
}

async function hubFigures({ platform, player, gateOff }: Stage, from: number): Promise<HubFigures> {
  const asked = [...player.scored.values()]
    .filter(({ flight }) => flight.departedAt >= from && flight.departedAt < from + BROKEN_MS)
    .filter(({ flight }) => HUBS.includes(flight.origin))
    // Answers come in any order, and a sum of fractions depends on the order of its terms.
    .sort((a, b) => a.flight.flight - b.flight.flight);
  const scores = Float64Array.from(asked, ({ probability }) => probability);
  const { baseRate, auc, ece } = evaluate(
    scores,
    Float32Array.from(asked, ({ flight }) => (flight.late ? 1 : 0)),
  );
  const drift = await platform.kedge.monitoring.getDrift({
    params: { endpoint: 'late-arrivals' },
    query: { from, to: from + BROKEN_MS },
  });
  const loudest = drift.features
    .flatMap(({ feature, cells }) =>
      cells.flatMap(({ value, threshold }) => (value && threshold ? [{ feature, psi: value, threshold }] : [])),
    )
    .reduce<HubFigures['loudest']>(
      (most, cell) => (most && most.psi / most.threshold >= cell.psi / cell.threshold ? most : cell),
      null,
    );
  return {
    gate: gateOff ? 'off' : 'on',
    requests: asked.length,
    meanPrediction: scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length),
    lateShare: baseRate,
    auc,
    ece,
    loudest,
  };
}

function tell({ timeline }: Stage, figures: HubFigures): void {
  const { gate, requests, meanPrediction, lateShare, auc, ece, loudest } = figures;
  timeline.tell(
    null,
    `with the expectation ${gate}: ${requests} flights from the hubs got ${meanPrediction.toFixed(3)} on average, ` +
      `${lateShare.toFixed(3)} were late; calibration error ${ece?.toFixed(3) ?? '-'}, ` +
      `AUC ${auc?.toFixed(3) ?? '-'}; ` +
      `loudest PSI ${loudest ? psiOf(loudest) : '-'}`,
  );
}

function psiOf({ feature, psi, threshold }: NonNullable<HubFigures['loudest']>): string {
  return `${psi.toFixed(2)} of ${feature}, limit ${threshold.toFixed(2)}`;
}

async function changeDataset(
  { kedge }: DemoPlatform,
  change: (spec: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
  const { spec } = await kedge.resources.getResource({ params: { kind: 'dataset', name: 'flights' } });
  const resources = [{ kind: 'dataset', name: 'flights', spec: change(spec as Record<string, unknown>) }];
  await kedge.resources.applyResources({ body: { resources: resources as never } });
}

/** Declares a repair on the dataset, as a person would in the project file, and releases what is held through it. */
async function repairFeed({ platform, player }: Stage, since: number): Promise<void> {
  const { kedge } = platform;
  const repair = {
    name: 'delays in seconds',
    when: inSeconds(since, since + BROKEN_MS),
    set: { delay: 'delay // 60' },
  };
  await changeDataset(platform, (spec) => ({ ...spec, repairs: [...(spec['repairs'] as unknown[]), repair] }));
  const held = async () => {
    const query = { held: 'true', limit: 500 } as const;
    return (await kedge.datasets.listBatches({ params: { dataset: 'flights' }, query })).items;
  };
  for (const { batch, report } of (await held()).toReversed()) {
    if (!report.checks.some((check) => check.outcome === 'quarantined-groups')) continue;
    const params = { dataset: 'flights', batch };
    await unlessDone(
      () => kedge.datasets.releaseBatch({ params, body: { knownAt: Math.max(player.at, since) } }),
      async () => !(await held()).some((other) => other.batch === batch),
    );
  }
  await player.settle();
}

/** Which reports are in seconds: those of the hubs that came in while their feed was broken. */
function inSeconds(from: number, to: number): string {
  const reported = "timezone('UTC', timezone(zone, date)) + to_minutes(cast(round(45 + distance / 7.75) as bigint))";
  const hubs = HUBS.map((hub) => `'${hub}'`).join(', ');
  const time = (at: number): string => `timestamp '${iso(at).slice(0, 19).replace('T', ' ')}'`;
  return `origin in (${hubs}) and ${reported} >= ${time(from)} and ${reported} < ${time(to)}`;
}
