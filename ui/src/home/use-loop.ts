import { type UseQueryResult, useQueries, useQuery } from '@tanstack/react-query';
import type { EventView } from '#platform/activity/contract';
import type { ResourceView } from '#platform/resources/contract';
import { formatCount, formatDay, formatFixed, formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { isActive, statusOfEndpoint } from '../endpoints/rollout-words.ts';
import { places } from '../places.ts';
import type { LoopNode } from './loop.tsx';

const EVENTS_MAX = 300;

/** Everything that the picture of the loop shows, renewed by events. */
export function useLoop() {
  const resources = useQuery(read('resources', 'listResources'));
  const events = useQuery(read('activity', 'listEvents', { query: { limit: EVENTS_MAX } }));
  const known = resources.data?.items ?? [];
  const nodes = [
    lacking(useDataNode(ofKind(known, 'dataset')), resources),
    lacking(featuresNode(ofKind(known, 'feature-view')), resources),
    usePipelineNode(),
    useRegistryNode(),
    useEndpointNode(),
    lacking(useMonitorNode(ofKind(known, 'monitor'), events.data?.items ?? []), resources),
    lacking(useActionNode(ofKind(known, 'rule'), events.data?.items ?? []), resources),
  ];
  return { nodes, events, resources };
}

/** Says of a node that it is not known, when an answer that it tells of has not come: `none` would be wrong then. */
function lacking(node: LoopNode, ...asked: readonly Pick<UseQueryResult, 'data' | 'isPending'>[]): LoopNode {
  const absent = asked.filter(({ data }) => data === undefined);
  if (absent.length === 0) return node;
  return { ...node, lacks: absent.some(({ isPending }) => isPending) ? 'answer' : 'success' };
}

function ofKind(resources: readonly ResourceView[], kind: string): readonly ResourceView[] {
  return resources.filter((resource) => resource.kind === kind);
}

/** `flights`, or `3 datasets`. */
function nameOrCount(names: readonly string[], plural: string): string {
  return names.length === 1 ? (names[0] ?? '') : names.length === 0 ? `no ${plural}` : `${names.length} ${plural}`;
}

function newestTime(events: readonly EventView[], type: string): number | null {
  return events.find((event) => event.type.startsWith(type))?.time ?? null;
}

function useDataNode(datasets: readonly ResourceView[]): LoopNode {
  const answers = useQueries({
    queries: datasets.map(({ name }) =>
      read('datasets', 'listBatches', { params: { dataset: name }, query: { limit: 1 } }),
    ),
  });
  const batches = answers.flatMap(({ data }) => data?.items ?? []);
  const last = batches.toSorted((a, b) => b.receivedAt - a.receivedAt)[0];
  const node: LoopNode = {
    id: 'data',
    to: datasets.length === 1 ? places.dataset(datasets[0]?.name ?? '') : places.datasets(),
    status: last?.status ?? 'none',
    main: nameOrCount(
      datasets.map(({ name }) => name),
      'datasets',
    ),
    change: last ? `batch ${last.batch}, ${formatCount(last.report.accepted)} rows` : 'no batch yet',
    at: last?.receivedAt ?? null,
  };
  return lacking(node, ...answers);
}

function featuresNode(views: readonly ResourceView[]): LoopNode {
  const features = views.reduce(
    (sum, { spec }) => sum + (Array.isArray(spec['features']) ? spec['features'].length : 0),
    0,
  );
  return {
    id: 'features',
    to: places.features(),
    status: views.length > 0 ? 'ok' : 'none',
    main: nameOrCount(
      views.map(({ name }) => name),
      'views',
    ),
    change: views.length > 0 ? `${formatNumber(features)} features declared` : 'none declared',
    at: views.length > 0 ? Math.max(...views.map(({ updatedAt }) => updatedAt)) : null,
  };
}

function usePipelineNode(): LoopNode {
  const answer = useQuery(read('pipelines', 'listPipelineRuns', { query: { limit: 20 } }));
  const runs = answer.data?.items ?? [];
  const open = runs.find(({ status }) => status === 'running' || status === 'queued');
  const shown = open ?? runs[0];
  const node: LoopNode = {
    id: 'pipeline',
    to: shown ? places.run(shown.run) : places.pipelines(),
    status: shown?.status ?? 'none',
    main: shown?.pipeline ?? 'no run yet',
    change: shown ? `started by ${shown.cause.id.replace(/^rule\//, 'rule ')}` : 'nothing ran',
    at: shown ? (shown.finishedAt ?? shown.startedAt ?? shown.createdAt) : null,
  };
  return lacking(node, answer);
}

function useRegistryNode(): LoopNode {
  const answer = useQuery(read('registry', 'listModels'));
  const models = answer.data?.items ?? [];
  const answers = useQueries({
    queries: models.map(({ name }) =>
      read('registry', 'listVersions', { params: { model: name }, query: { limit: 1 } }),
    ),
  });
  const newest = answers.flatMap(({ data }) => data?.items ?? []);
  const last = newest.toSorted((a, b) => b.createdAt - a.createdAt)[0];
  const node: LoopNode = {
    id: 'registry',
    to: last ? places.version(last.model, last.version) : places.models(),
    status: last ? 'ok' : 'none',
    main: nameOrCount(
      models.map(({ name }) => name),
      'models',
    ),
    change: last ? `version ${last.version} registered` : 'no version yet',
    at: last?.createdAt ?? null,
  };
  return lacking(node, answer, ...answers);
}

function useEndpointNode(): LoopNode {
  const answer = useQuery(read('serving', 'listEndpoints'));
  const endpoints = answer.data?.items ?? [];
  const shown =
    endpoints.find(({ locked }) => locked) ??
    endpoints.find(({ rollout }) => rollout && isActive(rollout.stage)) ??
    endpoints[0];
  const rollout = shown?.rollout && isActive(shown.rollout.stage) ? shown.rollout : null;
  const state = shown ? statusOfEndpoint(shown) : { status: 'none' };
  const candidate = rollout ? `${rollout.candidate} against ${rollout.current ?? 'none'}` : undefined;
  const node: LoopNode = {
    id: 'endpoint',
    to: shown ? places.endpoint(shown.name) : places.endpoints(),
    status: state.status,
    statusDetail: 'detail' in state ? state.detail : undefined,
    main: endpoints.length > 1 ? `${shown?.name} +${endpoints.length - 1}` : (shown?.name ?? 'no endpoints'),
    change: candidate ? `version ${candidate}` : (shown?.current?.revision ?? 'serves nothing'),
    at: rollout ? (rollout.decisions.at(-1)?.decidedAt ?? rollout.startedAt) : (shown?.current?.since ?? null),
  };
  return lacking(node, answer);
}

function useMonitorNode(monitors: readonly ResourceView[], events: readonly EventView[]): LoopNode {
  const names = [...new Set(monitors.map(({ spec }) => String(spec['endpoint'])))];
  const answers = useQueries({
    queries: names.map((endpoint) => read('monitoring', 'getSummary', { params: { endpoint } })),
  });
  const summaries = answers.flatMap(({ data }) => data ?? []);
  const all = summaries.flatMap((summary) => summary.monitors);
  const firing = all.flatMap((monitor) => monitor.firing);
  const auc = all.flatMap(({ figures }) => figures).find(({ metric }) => metric === 'auc');
  const text = firing[0] ? `${firing[0].alert}: ${firing[0].metric}` : undefined;
  const quality = auc ? `AUC ${formatFixed(auc.value)}, ${formatDay(auc.window)}` : 'no figure yet';
  const node: LoopNode = {
    id: 'monitor',
    to: names.length === 1 ? places.monitored(names[0] ?? '') : places.monitoring(),
    status: firing.length > 0 ? 'firing' : monitors.length > 0 ? 'ok' : 'none',
    statusDetail: firing.length > 1 ? `(${firing.length})` : undefined,
    main: nameOrCount(
      monitors.map(({ name }) => name),
      'monitors',
    ),
    change: text ?? quality,
    at: newestTime(events, 'monitoring.'),
  };
  return lacking(node, ...answers);
}

function useActionNode(rules: readonly ResourceView[], events: readonly EventView[]): LoopNode {
  const answer = useQuery(read('automation', 'listDecisions', { query: { limit: 1 } }));
  const last = answer.data?.items[0];
  const node: LoopNode = {
    id: 'action',
    to: places.automation({ tab: last ? 'decisions' : undefined }),
    status: last?.outcome ?? (rules.length > 0 ? 'waiting' : 'none'),
    main:
      last?.rule ??
      nameOrCount(
        rules.map(({ name }) => name),
        'rules',
      ),
    change: last ? `event time ${formatDay(last.at)}` : rules.length > 0 ? 'has not acted yet' : 'none declared',
    at: newestTime(events, 'automation.'),
  };
  return lacking(node, answer);
}
