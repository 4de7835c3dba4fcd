/**
 * How far will diabetes have gone on in a year? Five ordinary Python scripts as steps, joined by files and by MLflow.
 *
 *   kedge apply examples/sklearn/kedge.ts
 */
import { pipeline, project } from 'kedge';

/** A script as a command. It comes with the step, and so does what it needs: whoever changes either has other work. */
function script(name: string) {
  const files = { [`${name}.py`]: `./${name}.py`, 'requirements.txt': './requirements.txt' };
  // The first python3 on the worker's PATH: put the environment with requirements.txt there.
  return { name, command: ['python3', `${name}.py`], files, retries: 0, timeout: '5m' };
}

export default project('progression', [
  pipeline('progression', {
    params: {
      alpha: { type: 'number', default: 0.5, description: 'Strength of the ridge penalty.' },
    },
    steps: [
      { ...script('data'), outputs: ['patients.csv'] },
      { ...script('validate'), inputs: { patients: 'data.patients.csv' } },
      {
        ...script('train'),
        needs: ['validate'],
        inputs: { patients: 'data.patients.csv' },
        params: { alpha: '${params.alpha}' },
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
