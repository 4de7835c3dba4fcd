/**
 * How far will diabetes have gone on in a year? Five ordinary Python scripts as steps, joined by files and by MLflow.
 *
 *   kedge apply examples/sklearn/kedge.ts
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pipeline, project } from 'kedge';

/** A script as a command, with its digest as a parameter: Kedge does not look into it, a changed one is new work. */
function script(name: string) {
  const path = fileURLToPath(new URL(`./${name}.py`, import.meta.url));
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  // The first python3 on the worker's PATH: put the environment with requirements.txt there.
  return { name, command: ['python3', path], params: { script: digest }, retries: 0, timeout: '5m' };
}

const train = script('train');

export default project('progression', [
  pipeline('progression', {
    params: {
      alpha: { type: 'number', default: 0.5, description: 'Strength of the ridge penalty.' },
    },
    steps: [
      { ...script('data'), outputs: ['patients.csv'] },
      { ...script('validate'), inputs: { patients: 'data.patients.csv' } },
      {
        ...train,
        needs: ['validate'],
        inputs: { patients: 'data.patients.csv' },
        params: { ...train.params, alpha: '${params.alpha}' },
        outputs: ['model', 'run.json'],
      },
      {
        ...script('evaluate'),
        inputs: { patients: 'data.patients.csv', model: 'train.model', run: 'train.run.json' },
        outputs: ['evaluation.json'],
      },
      {
        ...script('register'),
        needs: ['evaluate'],
        inputs: { run: 'train.run.json' },
        when: { of: 'evaluate.r2', atLeast: 0.4 },
      },
    ],
  }),
]);
