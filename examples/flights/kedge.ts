/**
 * Will this flight arrive more than 15 minutes late? Asked at departure, answered from what is known at that minute.
 *
 *   kedge apply examples/flights/kedge.ts
 */
import { dataset, endpoint, featureView, gatePolicy, monitor, pipeline, project, rule } from 'kedge';

const flights = dataset('flights', {
  description: 'Every US domestic flight, reported when it has landed. `date` is the departure in local time.',
  columns: {
    flight: 'integer',
    date: 'timestamp',
    delay: 'integer',
    distance: 'integer',
    origin: 'string',
    destination: 'string',
    zone: 'string',
  },
  eventTime: 'departed',
  knownTime: 'reported',
  repairs: [
    {
      // A flight that leaves after midnight keeps its scheduled day, so it seems to have left before it was due.
      name: 'stamped a day early',
      when: 'hour(date) < 5 and hour(date) * 60 + minute(date) between 1 and delay',
      set: { date: 'date + interval 1 day' },
    },
  ],
  derive: {
    departed: "timezone('UTC', timezone(zone, date))",
    // 465 mph, 40 minutes of taxiing and climbing, 5 minutes until the report is in.
    reported: 'departed + to_minutes(cast(round(45 + distance / 7.75) as bigint))',
    late: 'if(delay > 15, 1.0, 0.0)',
  },
  expectations: [
    { name: 'possible delay', row: 'delay >= -120' },
    { name: 'no duplicates', unique: ['date', 'origin', 'destination', 'distance', 'delay'] },
    {
      name: 'delays are minutes',
      share: 'abs(delay) > 720',
      max: 0.2,
      by: 'origin',
      minRows: 10,
      otherwise: 'quarantine-group',
    },
  ],
});

/** Mean delay, share of late flights and their number, over windows that end now. */
const recent = (prefix: string, windows: readonly string[]) =>
  windows.flatMap((window) => [
    { name: `${prefix}_delay_${window}`, aggregate: 'mean' as const, column: 'delay', window },
    { name: `${prefix}_late_${window}`, aggregate: 'mean' as const, column: 'late', window },
    { name: `${prefix}_count_${window}`, aggregate: 'count' as const, window },
  ]);

/** The three views of recent delays. `time` says from when a flight counts: when it is reported, or when it left. */
const views = (prefix: string, time: 'known' | 'event', online: boolean) => [
  featureView(`${prefix}origin`, {
    dataset: 'flights',
    keys: ['origin'],
    time,
    online,
    features: recent(`${prefix}o`, ['1h', '3h', '24h']),
  }),
  featureView(`${prefix}destination`, {
    dataset: 'flights',
    keys: ['destination'],
    time,
    online,
    features: recent(`${prefix}d`, ['1h', '3h', '24h']),
  }),
  featureView(`${prefix}route`, {
    dataset: 'flights',
    keys: ['origin', 'destination'],
    time,
    online,
    features: recent(`${prefix}r`, ['7d']),
  }),
];

const live = views('', 'known', true);
/** A tempting idea: count flights from when they left. It makes training see delays of flights still in the air. */
const tempting = views('early_', 'event', false);

/** From rows to a registered version, each step cached and with its record. */
const training = (name: string, views: readonly { readonly name: string }[]) =>
  pipeline(name, {
    params: {
      until: { type: 'timestamp', description: 'Nothing later was known to the model.' },
      days: { type: 'integer', default: 28 },
      rows: { type: 'integer', default: 200_000 },
      trees: { type: 'integer', default: 100 },
      waive: { type: 'boolean', default: false, description: 'Go on although the leak check fails.' },
    },
    steps: [
      {
        name: 'features',
        function: { module: 'steps.ts', export: 'features' },
        inputs: {
          flights: 'dataset:flights',
          ...Object.fromEntries(views.map((view) => [view.name, `feature-view:${view.name}`])),
        },
        params: { until: '${params.until}', days: '${params.days}', rows: '${params.rows}' },
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
        params: { trees: '${params.trees}' },
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
        params: { description: name },
        cache: false,
      },
    ],
  });

export default project('flights', [
  flights,
  ...live,
  ...tempting,
  training('first-model', []),
  training('retrain', live),
  training('tempting', tempting),

  endpoint('late-arrivals', {
    model: 'late-arrivals',
    features: { views: live.map((view) => view.name) },
    labelLateness: '4h',
    rollout: {
      shadow: { maxDuration: '4d' },
      canary: { steps: [10, 50], bake: '3h' },
      probation: '4d',
      decision: { margin: 0.0005 },
    },
    guardrail: { errorRateMax: 0.02, latencyP95MsMax: 200, requestsMin: 20 },
    timeoutMs: 500,
  }),

  monitor('quality', {
    endpoint: 'late-arrivals',
    window: '1d',
    labelLateness: '4h',
    clock: 'declared',
    drift: { features: 'all' },
    alerts: [
      { name: 'calibration', metric: 'ece', above: 0.08, k: 3, n: 4 },
      { name: 'drift', metric: 'psi', above: 'calibrated', feature: 'any', k: 3, n: 4 },
    ],
  }),

  rule('retrain-when-calibration-fails', {
    on: { monitor: 'quality', alert: 'calibration' },
    run: { pipeline: 'retrain', params: { until: '${at}' } },
    cooldown: '14d',
  }),
  rule('retrain-when-inputs-drift', {
    on: { monitor: 'quality', alert: 'drift' },
    run: { pipeline: 'retrain', params: { until: '${at}' } },
    cooldown: '28d',
    budget: { firings: 4, per: '120d' },
  }),

  gatePolicy('late-arrivals', {
    model: 'late-arrivals',
    transitions: ['serve'],
    require: [
      { evidence: 'leak-check', passed: true },
      { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.6 } },
      { evidence: 'explanation' },
      { evidence: 'profile' },
    ],
    waivable: true,
  }),
]);
