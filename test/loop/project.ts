import { fileURLToPath } from 'node:url';
import {
  dataset,
  endpoint,
  featureView,
  gatePolicy,
  type Kedge,
  monitor,
  pipeline,
  type Resource,
  rule,
} from '#client';
import { canonicalJson } from '#core/json';
import { packCode } from '#pipelines';
import { CODE_MEDIA_TYPE } from '#pipelines/contract';

const STEPS = fileURLToPath(new URL('./steps.ts', import.meta.url));

const ridesSpec = {
  columns: {
    ride: 'string',
    began: 'timestamp',
    ended: 'timestamp',
    zone: 'string',
    car: 'string',
    x: 'number',
    late: 'number',
  },
  eventTime: 'began',
  knownTime: 'ended',
  expectations: [{ name: 'late is 0 or 1', share: 'late not in (0, 1)', max: 0.1, minRows: 10 }],
} as const satisfies Parameters<typeof dataset>[1];
export const rides = dataset('rides', ridesSpec);

/** The dataset with the repair of a feed that gives minutes for hours. */
export const repairedRides = dataset('rides', {
  ...ridesSpec,
  repairs: [{ name: 'late is told sixtyfold', when: 'late > 1', set: { late: 'late / 60' } }],
});

/** How late recent rides of the zone were. `time` says when a ride begins to count. */
export const zoneView = (name: string, time: 'known' | 'event'): Resource =>
  featureView(name, {
    dataset: 'rides',
    keys: ['zone'],
    time,
    features: [
      { name: `${name}_late_2h`, aggregate: 'mean', column: 'late', window: '2h' },
      { name: `${name}_rides_2h`, aggregate: 'count', window: '2h' },
    ],
  });

/** From rows to a registered version. Declared without code: {@link applyProject} sends it and fills its digest in. */
export const training = (name: string, view: string): Resource =>
  pipeline(name, {
    params: {
      until: { type: 'timestamp' },
      hours: { type: 'integer', default: 24 },
      waive: { type: 'boolean', default: false },
    },
    steps: [
      {
        name: 'features',
        function: { module: 'steps.ts', export: 'features' },
        inputs: { rides: 'dataset:rides', [view]: `feature-view:${view}` },
        params: { until: '${params.until}', hours: '${params.hours}' },
        outputs: ['rows', 'leaks'],
      },
      {
        name: 'leak-check',
        function: { module: 'steps.ts', export: 'leakCheck' },
        inputs: { leaks: 'features.leaks' },
        params: { waive: '${params.waive}' },
        retries: 0,
      },
      {
        name: 'tune',
        function: { module: 'steps.ts', export: 'tune' },
        needs: ['leak-check'],
        inputs: { rows: 'features.rows' },
        outputs: ['params', 'evaluation'],
      },
      {
        name: 'train',
        function: { module: 'steps.ts', export: 'train' },
        inputs: { rows: 'features.rows', params: 'tune.params' },
        outputs: ['model', 'signature', 'trees'],
      },
      {
        name: 'explain',
        function: { module: 'steps.ts', export: 'explain' },
        inputs: { rows: 'features.rows', trees: 'train.trees' },
        outputs: ['explanation'],
      },
      {
        name: 'profile',
        function: { module: 'steps.ts', export: 'profile' },
        inputs: { rows: 'features.rows', trees: 'train.trees' },
        outputs: ['profile'],
      },
      {
        name: 'register',
        function: { module: 'steps.ts', export: 'register' },
        inputs: {
          model: 'train.model',
          signature: 'train.signature',
          leaks: 'features.leaks',
          evaluation: 'tune.evaluation',
          explanation: 'explain.explanation',
          profile: 'profile.profile',
        },
        cache: false,
      },
    ],
  });

/** An endpoint that decides within a day of hourly blocks. */
export const lateness = (views: readonly string[] | null, more: Readonly<Record<string, unknown>> = {}): Resource =>
  endpoint('lateness', {
    model: 'lateness',
    features: views && { views: [...views] },
    labelLateness: '1h',
    rollout: {
      shadow: { maxDuration: '1d' },
      canary: { steps: [50], bake: '2h' },
      probation: '3h',
      decision: { margin: 0.01, burnInBlocks: 4 },
    },
    guardrail: { errorRateMax: 0.05, latencyP95MsMax: 1_000, requestsMin: 20 },
    timeoutMs: 1_000,
    ...more,
  });

export const quality = monitor('quality', {
  endpoint: 'lateness',
  window: '2h',
  labelLateness: '1h',
  clock: 'declared',
  metrics: ['auc', 'log-loss', 'ece', 'base-rate'],
  alerts: [{ name: 'loss', metric: 'log-loss', above: 0.85, k: 2, n: 3 }],
});

export const retrainWhenLossIsHigh = rule('retrain-when-loss-is-high', {
  on: { monitor: 'quality', alert: 'loss' },
  run: { pipeline: 'retrain', params: { until: '${at}', hours: 5 } },
  cooldown: '2d',
});

export const gate = gatePolicy('lateness', {
  model: 'lateness',
  transitions: ['serve'],
  require: [
    { evidence: 'leak-check', passed: true },
    { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.6 } },
  ],
  waivable: true,
});

/** Applies resources as `kedge apply` does: pipelines get the code of their steps as a bundle. */
export async function applyProject(kedge: Kedge, resources: readonly Resource[]): Promise<void> {
  const { files } = await packCode(STEPS);
  const bytes = new TextEncoder().encode(canonicalJson({ files }));
  const { digest } = await kedge.pipelines.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } });
  const complete = resources.map((resource) =>
    resource.kind === 'pipeline' ? { ...resource, spec: { ...resource.spec, code: digest } } : resource,
  );
  await kedge.resources.applyResources({ body: { resources: complete } });
}

/** Runs a pipeline in the name of a person and waits for its end. */
export async function runPipeline(
  kedge: Kedge,
  pipelineName: string,
  params: Readonly<Record<string, string | number | boolean>>,
) {
  const started = await kedge.pipelines.startPipelineRun({ params: { pipeline: pipelineName }, body: { params } });
  for (;;) {
    const detail = await kedge.pipelines.getPipelineRun({ params: { run: started.run } });
    if (['succeeded', 'failed', 'cancelled'].includes(detail.status)) return detail;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
