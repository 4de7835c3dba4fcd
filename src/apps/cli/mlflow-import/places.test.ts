import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricLine } from './metric-line.ts';
import { placeOf } from './registry-import.ts';

test('a line of a metric file is read as MLflow 2 and 3 write it, and anything else is none', () => {
  assert.deepEqual(metricLine('m', '12 0.5 3', 'run'), { key: 'm', value: 0.5, timestamp: 12, step: 3 });
  assert.deepEqual(metricLine('m', '12 1', 'run'), { key: 'm', value: 1, timestamp: 12, step: 0 });
  assert.equal(metricLine('m', '12 nan 0', 'run')?.value, 'NaN');
  assert.equal(metricLine('m', '12 -inf 0', 'run')?.value, '-Infinity');
  const measured = metricLine('m', '12 1 -3 a1 data 77', 'model');
  assert.deepEqual([measured?.step, measured?.run_id, measured?.dataset_name], [-3, 'a1', 'data']);
  assert.equal(metricLine('m', '12 1 0 data 77', 'run')?.dataset_digest, '77');
  for (const line of ['', 'x 1 0', '12 x 0', '12 1 x', '12  0']) assert.equal(metricLine('m', line, 'run'), undefined);
});

test('where a version is from is told by run and logged model, wherever the source keeps its files', () => {
  const of = { name: 'm', version: '1', run_id: 'a1' };
  const places = {
    'models:/m-7': 'models:/m-7',
    'models:/other/3': 'models:/other/3',
    'runs:/a1/model': 'runs:/a1/model',
    'mlflow-artifacts:/4/a1/artifacts/model': 'runs:/a1/model',
    's3://bucket/root/4/a1/artifacts/deep/model/': 'runs:/a1/deep/model',
    '/home/bob/mlruns/4/a1/artifacts': 'runs:/a1/',
    'file:///x/mlruns/4/models/m-7/artifacts': 'models:/m-7',
    's3://elsewhere/model': 's3://elsewhere/model',
  };
  for (const [source, place] of Object.entries(places)) assert.equal(placeOf({ ...of, source }), place);
});
