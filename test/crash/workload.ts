import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, dataset, endpoint, type Kedge, monitor, pipeline, type Resource } from '#client';
import { canonicalJson } from '#core/json';
import { OnnxGraph } from '#learn/onnx';
import { packCode } from '#pipelines';
import { CODE_MEDIA_TYPE } from '#pipelines/contract';
import { insist, Refused } from './insist.ts';

const STEPS = fileURLToPath(new URL('./steps.ts', import.meta.url));
const START = Date.UTC(2030, 0, 7);
const HOUR_MS = 3_600_000;
const ROWS = 40;
const LANES = 8;
const PREDICTIONS = 300;
/** Moments of a round at which a process may be killed, apart from one for each prediction. */
const MOMENTS = 5;
const WAIT_MS_MAX = 90_000;

export interface Workload {
  readonly console: string;
  readonly gateway: string;
  /** How often rows are sent, a pipeline is run and an hour of predictions is labelled. */
  readonly rounds: number;
  /** Called before each thing that is asked of the platform. */
  readonly moment: () => Promise<void>;
}

export interface Done {
  readonly kedge: Kedge;
  /** Ids of the runs, in the order of their rounds. */
  readonly runs: readonly string[];
  /** What the gateway answered, by prediction id. */
  readonly answers: ReadonlyMap<string, number>;
}

export const momentsOf = (rounds: number): number => rounds * (MOMENTS + Math.floor(PREDICTIONS / rounds));

/** Plays the same story whatever happens to the processes meanwhile: everything it sends has a name of its own. */
export async function playWorkload({ console: url, gateway, rounds, moment }: Workload): Promise<Done> {
  const kedge = connect({ url });
  await declare(kedge);
  const stage: Stage = { kedge, gateway, moment, perRound: Math.floor(PREDICTIONS / rounds), answers: new Map() };
  await settle(stage);
  const runs: string[] = [];
  for (let round = 0; round < rounds; round++) runs.push(await playRound(stage, round));
  await settle(stage);
  return { kedge, runs, answers: stage.answers };
}

interface Stage {
  readonly kedge: Kedge;
  readonly gateway: string;
  readonly moment: () => Promise<void>;
  readonly perRound: number;
  readonly answers: Map<string, number>;
}

async function playRound(stage: Stage, round: number): Promise<string> {
  const { kedge, moment, perRound } = stage;
  await moment();
  await insist('send rows', () =>
    kedge.datasets.commitBatch({
      params: { dataset: 'readings', batch: `hour-${round}` },
      upload: { contentType: 'text/csv', bytes: csvOf(round) },
    }),
  );
  await moment();
  const { run } = await insist('start a run', () =>
    kedge.pipelines.startPipelineRun({
      params: { pipeline: 'sealing' },
      body: { params: { round }, key: `round-${round}`, seed: 1 },
    }),
  );
  const ids = Array.from({ length: perRound }, (_, i) => round * perRound + i);
  await inLanes(ids, (n) => predict(stage, round, n));
  await moment();
  await flush(stage);
  const labels = ids.map((n) => ({
    prediction: `p-${n}`,
    value: n % 3 === 0 ? (1 as const) : (0 as const),
    at: atOf(round, n),
    knownAt: atOf(round, n) + 1_000,
  }));
  await moment();
  await insist('send labels', () => kedge.monitoring.recordLabels({ body: { labels } }));
  await moment();
  await insist('advance the watermark', () =>
    kedge.monitoring.advanceWatermark({
      params: { endpoint: 'alarm' },
      body: { to: START + (round + 1) * HOUR_MS },
    }),
  );
  await until(`run ${round} ends`, async () => {
    const { status } = await insist('read a run', () => kedge.pipelines.getPipelineRun({ params: { run } }));
    return status === 'succeeded' || status === 'failed' || status === 'cancelled';
  });
  return run;
}

async function predict(stage: Stage, round: number, n: number): Promise<void> {
  await stage.moment();
  const id = `p-${n}`;
  const body = JSON.stringify({ id, at: atOf(round, n), inputs: { x: (n % 41) / 10 - 2 } });
  const text = await insist(`predict ${id}`, () => post(`${stage.gateway}/v1/endpoints/alarm/predict`, body));
  const answer = JSON.parse(text) as { output: { probability: number } };
  stage.answers.set(id, answer.output.probability);
}

async function settle(stage: Stage): Promise<void> {
  const { kedge } = stage;
  await flush(stage);
  await until(
    'the platform is settled',
    async () => (await insist('settled', () => kedge.activity.getSettled())).settled,
  );
  await until('the gateway has the newest routing table', async () => {
    const { version } = await insist('routing', () => kedge.serving.pollRouting({ query: { after: -1 } }));
    return (await flush(stage)) >= version;
  });
}

/** Has everything recorded sent on. Resolves to the gateway's version of the routing table. */
async function flush({ gateway }: Stage): Promise<number> {
  const text = await insist('flush', () => post(`${gateway}/v1/flush`, ''));
  return (JSON.parse(text) as { routing: number }).routing;
}

async function post(url: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  if (!response.ok) throw new Refused(response.status, text);
  return text;
}

async function declare(kedge: Kedge): Promise<void> {
  const { files } = await packCode(STEPS);
  const bytes = new TextEncoder().encode(canonicalJson({ files }));
  const { digest: code } = await kedge.pipelines.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } });
  await kedge.resources.applyResources({ body: { resources: resourcesWith(code) } });
  const model = onnxOf();
  await kedge.tracking.createTrackingRun({ body: { id: 'by-hand', experiment: 'alarms' } });
  const { digest, bytes: size } = await kedge.tracking.putArtifact({
    params: { run: 'by-hand' },
    query: { path: 'model.onnx' },
    upload: { contentType: 'application/octet-stream', bytes: model },
  });
  await kedge.registry.registerVersion({
    params: { model: 'alarm' },
    body: {
      run: 'by-hand',
      artifacts: [{ path: 'model.onnx', digest, bytes: size }],
      signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'probability' },
    },
  });
}

function resourcesWith(code: string): Resource[] {
  const sealing = {
    params: { round: { type: 'integer' } },
    code,
    steps: [
      {
        name: 'seal',
        function: { module: 'steps.ts', export: 'seal' },
        inputs: { readings: 'dataset:readings' },
        params: { round: '${params.round}' },
        outputs: ['sealed'],
      },
      {
        name: 'copy',
        command: ['/bin/sh', '-c', 'cp "$KEDGE_INPUT_SEALED" "$KEDGE_OUTPUT_COPIED"'],
        inputs: { sealed: 'seal.sealed' },
        outputs: ['copied'],
      },
    ],
  } as Parameters<typeof pipeline>[1];
  return [
    dataset('readings', { columns: { sensor: 'string', at: 'timestamp', x: 'number' }, eventTime: 'at' }),
    pipeline('sealing', sealing),
    endpoint('alarm', { model: 'alarm', labelLateness: '0h' }),
    monitor('quality', {
      endpoint: 'alarm',
      window: '1h',
      clock: 'declared',
      metrics: ['auc', 'log-loss', 'base-rate'],
    }),
  ];
}

function csvOf(round: number): Uint8Array<ArrayBuffer> {
  const rows = Array.from({ length: ROWS }, (_, i) => {
    const at = new Date(START + round * HOUR_MS + i * 60_000).toISOString();
    return `sensor-${i % 5},${at},${(i * 7 + round) % 11}`;
  });
  return new TextEncoder().encode(`sensor,at,x\n${rows.join('\n')}\n`);
}

/** A logistic curve over one number. */
function onnxOf(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.node('Sigmoid', { inputs: ['features'], outputs: ['probability'] });
  graph.output('probability', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'alarm', opsets: { '': 17 } });
}

const atOf = (round: number, n: number): number => START + round * HOUR_MS + (n % 1_000) * 1_000;

async function inLanes(items: readonly number[], work: (item: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as number);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS_MAX;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${WAIT_MS_MAX} ms: ${what}`);
    await pause(20);
  }
}
