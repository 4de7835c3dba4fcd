/**
 * Public data sets, judged against LightGBM 4.7 with the same parameters. The figures come from
 * `../shared/golden/model-quality.json`; the tests skip where that folder is absent.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { GbdtParams } from './params.ts';
import { predictGbdt } from './predict.ts';
import type { Column, Table } from './table.ts';
import { rocAuc } from './testing.ts';
import { trainGbdt } from './train.ts';

const shared = fileURLToPath(new URL('../../../../shared/', import.meta.url));
const skip = existsSync(`${shared}golden/model-quality.json`) ? false : `${shared} is absent`;

interface Golden {
  readonly name: string;
  readonly input: { readonly features: readonly string[]; readonly fold_of_row: string };
  readonly params: { readonly [name: string]: number };
  readonly expected: { readonly [metric: string]: number } & { readonly mean: { readonly [metric: string]: number } };
}

function golden(name: string): Golden {
  const { cases } = JSON.parse(readFileSync(`${shared}golden/model-quality.json`, 'utf8')) as { cases: Golden[] };
  const found = cases.find((entry) => entry.name === name);
  assert.ok(found, `golden case ${name}`);
  return found;
}

function paramsOf({ params }: Golden): Partial<GbdtParams> {
  return {
    trees: params['n_estimators']!,
    learningRate: params['learning_rate']!,
    leaves: params['num_leaves']!,
    minLeafRows: params['min_child_samples']!,
  };
}

function readCsv(path: string): string[][] {
  const lines = readFileSync(`${shared}data/${path}`, 'utf8').trim().split('\n');
  return lines.filter((line) => line !== '').map((line) => line.split(',').map((cell) => cell.trim()));
}

/** A table of named text columns; a column whose every cell is a number is numeric. */
function tableOf(cells: readonly (readonly string[])[], names: readonly string[]): Table {
  const columns = names.map((name, index): Column => {
    const texts = cells.map((row) => row[index]!);
    if (texts.every((text) => Number.isFinite(Number(text)))) {
      return { name, kind: 'numeric', values: Float32Array.from(texts, Number) };
    }
    const categories = [...new Set(texts)];
    const codes = new Map(categories.map((category, code) => [category, code]));
    return { name, kind: 'category', categories, codes: Int32Array.from(texts, (text) => codes.get(text)!) };
  });
  return { rows: cells.length, columns };
}

function logLoss(label: Float32Array, probability: Float64Array): number {
  return probability.reduce((sum, p, row) => sum - Math.log(label[row] === 1 ? p : 1 - p), 0) / label.length;
}

test('Adult: ROC AUC and log loss of LightGBM, with categories by target mean', { skip }, () => {
  const target = golden('adult_lightgbm');
  const load = (part: string): { table: Table; label: Float32Array } => {
    const cells = readCsv(`adult/adult-${part}.csv`);
    const names = Array.from({ length: 14 }, (_, index) => `column_${index}`);
    return {
      table: tableOf(cells, names),
      label: Float32Array.from(cells, (row) => (row[14]!.startsWith('>50K') ? 1 : 0)),
    };
  };
  const train = load('train');
  const model = trainGbdt({ train: train.table, label: train.label, params: paramsOf(target) });
  const { table, label } = load('test');
  const probability = predictGbdt(model, table);
  const auc = rocAuc(label, probability);
  assert.ok(auc >= target.expected['roc_auc']! - 0.005, `ROC AUC ${auc}`);
  const loss = logLoss(label, probability);
  assert.ok(loss <= target.expected['log_loss']! + 0.01, `log loss ${loss}`);
});

test('Telco churn: mean ROC AUC and log loss of LightGBM over the given folds', { skip }, () => {
  const target = golden('telco_lightgbm');
  const [header, ...cells] = readCsv('telco-churn/Telco-Customer-Churn.csv');
  const names = header!.slice(1, -1);
  const fold = target.input.fold_of_row;
  assert.equal(fold.length, cells.length);
  const part = (rows: readonly string[][]): { table: Table; label: Float32Array } => ({
    table: tableOf(
      rows.map((row) => row.slice(1, -1).map((cell) => cell || '0')),
      names,
    ),
    label: Float32Array.from(rows, (row) => (row.at(-1) === 'Yes' ? 1 : 0)),
  });
  let auc = 0;
  let loss = 0;
  for (const held of ['0', '1', '2', '3', '4']) {
    const train = part(cells.filter((_, row) => fold[row] !== held));
    const { table, label } = part(cells.filter((_, row) => fold[row] === held));
    const probability = predictGbdt(
      trainGbdt({ train: train.table, label: train.label, params: paramsOf(target) }),
      table,
    );
    auc += rocAuc(label, probability) / 5;
    loss += logLoss(label, probability) / 5;
  }
  assert.ok(auc >= target.expected.mean['roc_auc']! - 0.01, `ROC AUC ${auc}`);
  assert.ok(loss <= target.expected.mean['log_loss']! + 0.01, `log loss ${loss}`);
});

test('Bike sharing by the hour: RMSE of LightGBM on the last fifth', { skip }, () => {
  const target = golden('bike_lightgbm');
  const [header, ...cells] = readCsv('bike-sharing/hour.csv');
  const places = target.input.features.map((name) => header!.indexOf(name));
  const load = (rows: readonly string[][]): { table: Table; label: Float32Array } => ({
    table: tableOf(
      rows.map((row) => places.map((place) => row[place]!)),
      target.input.features,
    ),
    label: Float32Array.from(rows, (row) => Number(row[header!.indexOf('cnt')])),
  });
  const train = load(cells.slice(0, 13_903));
  const { table, label } = load(cells.slice(13_903));
  const params = { ...paramsOf(target), objective: 'regression' as const };
  const values = predictGbdt(trainGbdt({ train: train.table, label: train.label, params }), table);
  const mse = values.reduce((sum, value, row) => sum + (Math.max(value, 0) - label[row]!) ** 2, 0) / label.length;
  assert.ok(Math.sqrt(mse) <= target.expected['rmse']! + 3, `RMSE ${Math.sqrt(mse)}`);
});
