/**
 * Will it rain in Seattle tomorrow? A scikit-learn script as a step between steps in TypeScript.
 *
 *   kedge apply examples/python-sklearn/kedge.ts
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dataset, endpoint, gatePolicy, pipeline, project } from 'kedge';

const script = fileURLToPath(new URL('./train.py', import.meta.url));

export default project('rain', [
  dataset('weather', {
    description: 'One row a day, measured in Seattle.',
    columns: {
      date: 'timestamp',
      precipitation: 'number',
      temp_max: 'number',
      temp_min: 'number',
      wind: 'number',
      weather: 'string',
    },
    eventTime: 'date',
    derive: { day_of_year: 'dayofyear(date)' },
    expectations: [
      { name: 'measurable', row: 'precipitation >= 0 and wind >= 0 and temp_min <= temp_max' },
      { name: 'a day once', unique: ['date'] },
    ],
  }),

  pipeline('rain', {
    params: {
      rounds: { type: 'integer', default: 100, description: 'Boosting rounds.' },
      until: { type: 'timestamp', default: '2016-01-01', description: 'Later days are left out.' },
    },
    steps: [
      {
        name: 'days',
        function: { module: 'steps.ts', export: 'days' },
        inputs: { weather: 'dataset:weather' },
        params: { until: '${params.until}' },
        outputs: ['days.csv'],
      },
      {
        name: 'train',
        // The first python3 on the worker's PATH: put the environment with requirements.txt there.
        command: ['python3', script],
        // A command is known to the cache by its words. With this, a changed script is another step.
        env: { TRAIN_PY: createHash('sha256').update(readFileSync(script)).digest('hex') },
        inputs: { days: 'days.days.csv' },
        params: { rounds: '${params.rounds}' },
        outputs: ['model.onnx', 'signature.json', 'evaluation.json', 'scores.csv'],
        retries: 0,
      },
      {
        name: 'register',
        function: { module: 'steps.ts', export: 'register' },
        inputs: {
          model: 'train.model.onnx',
          signature: 'train.signature.json',
          evaluation: 'train.evaluation.json',
        },
        cache: false,
      },
    ],
  }),

  gatePolicy('rain', {
    model: 'rain',
    transitions: ['serve'],
    require: [{ evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.65 } }],
    waivable: true,
  }),

  endpoint('rain-tomorrow', { model: 'rain' }),
]);
