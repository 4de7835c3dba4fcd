import type { z } from 'zod';
import type { pipelineSpec } from '#pipelines/contract';

type StepInput = z.input<typeof pipelineSpec>['steps'][number];

export interface PredictOptions {
  /** A registered version by number or alias: `delays@champion`. A run keeps the one that it was started with. */
  readonly model: string;
  /** A Parquet file that a step wrote (`<step>.<output>`), what a divided step wrote, or `dataset:<name>`. */
  readonly rows: string;
  /** Columns of the rows that the predictions have beside them; all unless told. */
  readonly keep?: readonly string[];
  /** Equal parts that are predicted by themselves, each done again by itself; 1 unless told. */
  readonly shards?: number;
  /** Of each part: what a step takes, as in every step. */
  readonly step?: Pick<StepInput, 'retries' | 'timeout' | 'resources' | 'labels' | 'pool' | 'when' | 'needs'>;
}

/**
 * Steps that predict every row with a registered version: the file is the output `predictions.parquet` of the step
 * `name`. With several shards, a step `<name>-parts` predicts them, and `name` puts them together in their order.
 */
export function predictSteps<const Name extends string>(name: Name, options: PredictOptions): StepInput[] {
  const { model, rows, keep, shards = 1, step = {} } = options;
  const outputs = [OUTPUT];
  const inputs = { model: `model:${model}`, rows };
  const kept = keep === undefined ? {} : { keep: [...keep] };
  const command = ['kedge', 'predict-step'];
  if (shards === 1) return [{ ...step, name, command, inputs, params: kept, outputs }];
  const parts = `${name}-parts`;
  const shard = { shard: '${index}', shards, ...kept };
  return [
    { ...step, name: parts, command, inputs, params: shard, outputs, map: { count: shards } },
    { name, command: [...command, '--join'], inputs: { parts: `${parts}.${OUTPUT}` }, outputs },
  ];
}

const OUTPUT = 'predictions.parquet';
