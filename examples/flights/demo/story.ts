import { forgetsAirports, type HandMade, handIn, tooSlow } from './bad-releases.ts';
import { brokenFeed, type HubFigures } from './broken-feed.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { Narrator } from './narrator.ts';
import { unlessDone, until } from './patience.ts';
import type { DemoPlatform } from './platform.ts';
import { DAY, type Player, WORK_WITHIN_MS } from './player.ts';
import type { FlightSource } from './source.ts';
import { iso, type Timeline } from './timeline.ts';
import { untilIdle } from './until-idle.ts';

export interface Stage {
  readonly platform: DemoPlatform;
  readonly source: FlightSource;
  readonly gateway: GatewayClient;
  readonly narrator: Narrator;
  readonly player: Player;
  readonly timeline: Timeline;
  /** Plays the first acts only. */
  readonly quick: boolean;
  /** Takes out the expectation that would hold the broken reports of May, to show what it is worth. */
  readonly gateOff: boolean;
}

const date = (month: number, day: number): number => Date.UTC(2001, month - 1, day);

/**
 * What people do, and when: this is scripted. What the platform decides is not; whatever it decides, the story goes on.
 */
export async function playStory(stage: Stage): Promise<{ readonly hubs: HubFigures | null }> {
  await firstModel(stage);
  await staleModel(stage);
  await temptingCandidate(stage);
  if (stage.quick) return { hubs: null };
  await uselessRetraining(stage);
  await spring(stage);
  const hubs = await brokenFeed(stage, date(5, 15));
  await badReleases(stage);
  return { hubs };
}

async function firstModel({ platform, player, source, timeline }: Stage): Promise<void> {
  timeline.act(1, 'A first model, as a newcomer would make it: schedule only, trained on January');
  timeline.user(`kedge apply examples/flights/kedge.ts  (${await platform.apply()} resources)`);
  timeline.user(`sends January, day by day, of ${(await source.count()).toLocaleString('en')} flights`);
  await player.history(date(2, 1));
  await tellDefects(platform, timeline);
  timeline.user('kedge run first-model');
  const params = { until: iso(date(2, 1)), days: 31, rows: 200_000 };
  const { status, reason } = await run(platform, player, 'first-model', params);
  if (status !== 'succeeded') throw new Error(`there is no model to go on with: ${reason}`);
  await player.history(date(2, 5));
}

async function staleModel({ player, timeline, narrator, platform }: Stage): Promise<void> {
  timeline.act(2, 'February storms: accuracy falls without a data-drift alarm; late labels show it');
  const before = lastRollout(narrator);
  await player.play(date(2, 26), () => lastRollout(narrator) > before);
  await untilIdle(player, platform, date(2, 26));
}

async function temptingCandidate(stage: Stage): Promise<void> {
  const { platform, player, timeline, narrator } = stage;
  timeline.act(3, 'A tempting candidate: features over departure time, so with delays of flights still in the air');
  const from = player.at;
  timeline.user('kedge run tempting');
  const failed = await run(platform, player, 'tempting', { until: iso(player.at) });
  if (failed.status === 'failed') {
    timeline.user('kedge run tempting -p waive=true   (the check is waived)');
    await run(platform, player, 'tempting', { until: iso(player.at), waive: true });
  }
  const refused = narrator.last('governance.decided', (decision) => decision.data['allow'] === false);
  if (!refused) return;
  const before = lastRollout(narrator);
  timeline.user('puts the early_ views online and adds them to the endpoint');
  await serveEarlyViews(platform);
  timeline.user('forces it in: "offline it is the best we ever had"');
  await forceIn(stage, Number(refused.data['version']), 'offline it is the best we ever had');
  await player.play(from + 8 * DAY, () => lastRollout(narrator) > before);
  await repairEndpoint(stage, 'the features used the future; the candidate is withdrawn');
  const { current } = await platform.kedge.serving.getEndpoint({ params: { endpoint: 'late-arrivals' } });
  if (current?.version === refused.data['version']) return;
  timeline.user(`kedge apply examples/flights/kedge.ts  (${await platform.apply()} resources back as they were)`);
}

/** The tempting candidate needs its features at serving time: what a user would change in the project file for it. */
async function serveEarlyViews({ kedge }: DemoPlatform): Promise<void> {
  const { items } = await kedge.resources.listResources();
  const early = items.filter(({ kind, name }) => kind === 'feature-view' && name.startsWith('early_'));
  const endpoint = await kedge.resources.getResource({ params: { kind: 'endpoint', name: 'late-arrivals' } });
  const views = [...(endpoint.spec['features'] as { views: string[] }).views, ...early.map(({ name }) => name)];
  await kedge.resources.applyResources({
    body: {
      resources: [
        ...early.map(({ kind, name, spec }) => ({ kind, name, spec: { ...spec, online: true } })),
        { kind: 'endpoint', name: 'late-arrivals', spec: { ...endpoint.spec, features: { views } } },
      ],
    },
  });
}

async function uselessRetraining({ platform, player, timeline, narrator }: Stage): Promise<void> {
  timeline.act(4, 'Not every retraining helps: a model fresh from the storms of February');
  await player.play(date(3, 5));
  await untilIdle(player, platform, date(3, 12));
  timeline.user('kedge run retrain   (on a Monday, because it is Monday)');
  const before = lastRollout(narrator);
  await run(platform, player, 'retrain', { until: iso(player.at) });
  await player.play(player.at + 8 * DAY, () => lastRollout(narrator) > before);
}

async function spring({ player, timeline }: Stage): Promise<void> {
  timeline.act(5, 'The season turns: the platform watches by itself');
  await player.play(date(5, 15));
}

async function badReleases(stage: Stage): Promise<void> {
  const { player, timeline, source } = stage;
  timeline.act(7, 'Bad releases: one throws on airports that it has not seen, one is far too slow');
  await untilIdle(player, stage.platform, date(6, 20));
  await badRelease(stage, forgetsAirports(await source.largestAirports(10)));
  await badRelease(stage, tooSlow());
  timeline.act(8, 'June');
  await player.play(date(7, 1));
}

/** Somebody hands a model in, waives the gate and sends it all traffic. */
async function badRelease(stage: Stage, model: HandMade): Promise<void> {
  const { platform, player, timeline, narrator } = stage;
  const version = await handIn(platform.kedge, model);
  await player.settle();
  const before = lastRollout(narrator);
  timeline.user(`hands in version ${version} (${model.description}) and forces it in: "it is urgent"`);
  await forceIn(stage, version, 'it is urgent');
  await player.play(player.at + 2 * DAY, () => lastRollout(narrator) > before);
  await repairEndpoint(stage, `version ${version} is withdrawn`);
}

/** Waives the gate and sends the version all traffic. */
async function forceIn({ platform, player }: Stage, version: number, reason: string): Promise<void> {
  const { serving } = platform.kedge;
  const params = { endpoint: 'late-arrivals' };
  await unlessDone(
    () => serving.startRollout({ params, body: { version, force: { reason } } }),
    async () => (await serving.getEndpoint({ params })).rollout?.candidate === version,
  );
  await player.settle();
}

async function repairEndpoint({ platform, timeline, player }: Stage, note: string): Promise<void> {
  const { kedge } = platform;
  const params = { endpoint: 'late-arrivals' };
  const isUnlocked = async (): Promise<boolean> => !(await kedge.serving.getEndpoint({ params })).locked;
  if (!(await isUnlocked())) {
    timeline.user(`unlocks the endpoint: ${note}`);
    await unlessDone(() => kedge.serving.unlockEndpoint({ params, body: { reason: note } }), isUnlocked);
  }
  const { items } = await kedge.automation.listIncidents({ query: { status: 'open' } });
  for (const { incident } of items) await kedge.automation.resolveIncident({ params: { incident }, body: { note } });
  await player.settle();
}

/** The number of the newest event by which a rollout ended; 0 before the first. */
function lastRollout(narrator: Narrator): number {
  return narrator.last('serving.rollout-finished')?.seq ?? 0;
}

async function run(
  platform: DemoPlatform,
  player: Player,
  pipeline: string,
  params: Record<string, string | number | boolean>,
) {
  const { kedge } = platform;
  const { run: id } = await kedge.pipelines.startPipelineRun({
    params: { pipeline },
    body: { params, key: `${pipeline} ${player.at} ${JSON.stringify(params)}` },
  });
  await player.settle();
  return await until(
    `pipeline ${pipeline} to end`,
    async () => {
      const detail = await kedge.pipelines.getPipelineRun({ params: { run: id } });
      return ['succeeded', 'failed', 'cancelled'].includes(detail.status) ? detail : undefined;
    },
    WORK_WITHIN_MS,
  );
}

async function tellDefects({ kedge }: DemoPlatform, timeline: Timeline): Promise<void> {
  const { items } = await kedge.datasets.listBatches({ params: { dataset: 'flights' }, query: { limit: 500 } });
  const sum = (pick: (report: (typeof items)[number]['report']) => number): number =>
    items.reduce((total, { report }) => total + pick(report), 0);
  const repaired = sum((report) => report.repairs.reduce((total, repair) => total + repair.rows, 0));
  const failed = (name: string): number =>
    sum((report) => report.checks.find((check) => check.name === name)?.failedRows ?? 0);
  timeline.tell(
    null,
    `${sum((report) => report.rows).toLocaleString('en')} rows in ${items.length} batches: ` +
      `${repaired} stamped a day early repaired, ${failed('possible delay')} impossible delays and ` +
      `${failed('no duplicates')} duplicates held`,
  );
}
