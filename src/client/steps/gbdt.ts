import { writeFileSync } from 'node:fs';
import { seededRandom } from '#core/random';
import { permutationImportance } from '#learn/explain';
import {
  type GbdtModelJson,
  type GbdtParams,
  gainImportance,
  gbdtFromJson,
  gbdtToJson,
  predictGbdt,
  trainGbdt,
} from '#learn/gbdt';
import { gbdtToOnnx } from '#learn/onnx';
import { logLoss } from '#math/metric/binary';
import type { StepContext } from '#pipelines';
import { type ColumnTable, floatsOf, selectRows } from '#platform/columnar';
import { evaluate, modelTable, referenceProfile, splitByTime, tune } from '#training';
import { readJson, readTable, writeJson } from './files.ts';
import { inputOf } from './training-set.ts';

const TUNE_ROWS = 50_000;
const EXPLAIN_ROWS = 5_000;
/** The share of the rows, earliest first, that candidates learn from; the rest judges them. */
const EARLIER_SHARE = 0.85;

interface Inputs {
  /** The model's inputs; every column of the training set beside label and times unless told. */
  readonly columns?: readonly string[];
}

/**
 * Searches hyper-parameters on the earlier rows of the input `rows`, judged on the later ones. Writes the winner to the
 * output `params` and its quality on the later rows to the output `evaluation` (both JSON).
 */
export async function tuneGbdt(
  ctx: StepContext,
  options: Inputs & { readonly trials?: number; readonly base?: Partial<GbdtParams> } = {},
) {
  const trials = options.trials ?? 3;
  const rows = atMost(await readTable(inputOf(ctx, 'rows')), TUNE_ROWS, ctx.seed);
  const names = inputNames(rows, options);
  const { earlier, later } = splitByTime(rows, EARLIER_SHARE);
  const part = (table: ColumnTable) => ({ table: modelTable(table, names), label: floatsOf(table, 'label') });
  const base = { trees: 60, ...options.base, seed: ctx.seed };
  const { best, model } = tune({
    train: part(earlier),
    valid: part(later),
    base,
    trials,
    random: seededRandom(ctx.seed),
    onTrial: (done, trial) => ctx.progress(done, trials, `log loss ${trial.loss.toFixed(4)}`),
  });
  const scores = predictGbdt(model, part(later).table);
  const evaluation = { ...evaluate(scores, part(later).label), trainedRows: earlier.rows };
  writeJson(ctx.output('params'), best.params);
  writeJson(ctx.output('evaluation'), evaluation);
  if (evaluation.auc !== null) ctx.metric('auc', evaluation.auc);
  if (evaluation.logLoss !== null) ctx.metric('log-loss', evaluation.logLoss);
  return { params: best.params, evaluation };
}

/** Trains on all rows with the parameters that were found. Writes `model` (ONNX), `signature` and `trees` (JSON). */
export async function fitGbdt(ctx: StepContext, options: Inputs & { readonly trees?: number } = {}) {
  const table = await readTable(inputOf(ctx, 'rows'));
  const found = readJson<Partial<GbdtParams>>(inputOf(ctx, 'params'));
  const params = { ...found, trees: options.trees ?? 100, seed: ctx.seed };
  const model = trainGbdt({
    train: modelTable(table, inputNames(table, options)),
    label: floatsOf(table, 'label'),
    params,
    onTree: ({ tree, of }) => {
      if (tree % 10 === 0 || tree === of) ctx.progress(tree, of, 'trees');
    },
  });
  const { bytes, signature } = gbdtToOnnx(model);
  writeFileSync(ctx.output('model'), bytes);
  writeJson(ctx.output('signature'), {
    inputs: signature.columns.map(({ name, kind }) => ({ name, kind })),
    output: signature.output.name,
  });
  writeJson(ctx.output('trees'), gbdtToJson(model));
  return { rows: table.rows, trees: model.trees.length, bytes: bytes.byteLength };
}

/**
 * Explains a model: how much the log loss grows when a column is shuffled (on a sample of the rows), and the gain of
 * its splits. Writes `explanation`.
 */
export async function explainGbdt(ctx: StepContext, options: Inputs = {}) {
  const rows = await readTable(inputOf(ctx, 'rows'));
  const model = gbdtFromJson(readJson<GbdtModelJson>(inputOf(ctx, 'trees')));
  const names = inputNames(rows, options);
  const sample = atMost(rows, EXPLAIN_ROWS, ctx.seed);
  const label = floatsOf(sample, 'label');
  const { columns } = await permutationImportance({
    table: modelTable(sample, names),
    predict: (table) => predictGbdt(model, table),
    loss: (scores) => logLoss(scores, label) ?? 0,
    permutations: { random: seededRandom(ctx.seed), count: 1 },
  });
  const importance = columns
    .map(({ name, mean }) => ({ name, lossGrowth: mean }))
    .toSorted((a, b) => b.lossGrowth - a.lossGrowth);
  writeJson(ctx.output('explanation'), {
    method: 'permutation',
    rows: sample.rows,
    importance,
    gain: gainImportance(model),
  });
  return { top: importance.slice(0, 5) };
}

/** Writes `profile`: what the model saw and answered in training, with which live traffic will be compared. */
export async function profileGbdt(
  ctx: StepContext,
  options: Inputs & { readonly windowMs?: number; readonly windowRows?: number } = {},
) {
  const rows = await readTable(inputOf(ctx, 'rows'));
  const model = gbdtFromJson(readJson<GbdtModelJson>(inputOf(ctx, 'trees')));
  const names = inputNames(rows, options);
  const profile = referenceProfile(rows, {
    columns: names,
    scores: predictGbdt(model, modelTable(rows, names)),
    windowMs: options.windowMs ?? 86_400_000,
    windowRows: options.windowRows ?? 5_000,
    seed: ctx.seed,
  });
  writeJson(ctx.output('profile'), profile);
  return { rows: rows.rows, columns: names.length };
}

/** The columns that the model sees: those named, or all of the training set beside its label and times. */
function inputNames(table: ColumnTable, { columns }: Inputs): readonly string[] {
  return columns ?? [...table.columns.keys()].filter((name) => name !== 'label' && !name.startsWith('_'));
}

function atMost(table: ColumnTable, rows: number, seed: number): ColumnTable {
  if (table.rows <= rows) return table;
  const random = seededRandom(seed);
  const order = Int32Array.from({ length: table.rows }, (_, i) => i);
  for (let i = 0; i < rows; i++) {
    const j = i + random.int(order.length - i);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return selectRows(table, order.slice(0, rows).sort());
}
