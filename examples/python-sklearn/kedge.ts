/**
 * Is a breast tumour malignant? A scikit-learn script as a step, followed by a step in TypeScript.
 *
 *   kedge apply examples/python-sklearn/kedge.ts
 */
import { endpoint, gatePolicy, pipeline, project } from 'kedge';

export default project('tumours', [
  pipeline('tumours', {
    params: {
      inverse_penalty: { type: 'number', default: 0.1, description: 'The C of LogisticRegression: small is smooth.' },
    },
    steps: [
      {
        name: 'train',
        // The first python3 on the worker's PATH: put the environment with requirements.txt there.
        command: ['python3', 'train.py'],
        // They lie where the script starts. Whoever changes one of them has another step to the cache.
        files: { 'train.py': './train.py', 'requirements.txt': './requirements.txt' },
        params: { inverse_penalty: '${params.inverse_penalty}' },
        outputs: ['model.onnx', 'signature.json', 'evaluation.json', 'held-out.json'],
        retries: 0,
        timeout: '5m',
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

  gatePolicy('tumours', {
    model: 'tumours',
    transitions: ['serve'],
    require: [{ evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.98 } }],
    waivable: true,
  }),

  endpoint('tumours', { model: 'tumours' }),
]);
