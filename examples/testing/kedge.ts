/**
 * How long does a parcel take? A small pipeline with its tests.
 *
 *   kedge test pipeline examples/testing/kedge.ts
 */
import { pipeline, project } from 'kedge';

const step = (name: string) => ({ name, function: { module: 'steps.ts', export: name } });

export default project('parcels', [
  pipeline('parcels', {
    params: {
      source: { type: 'string', description: 'Address of a table with the columns parcel, km and hours.' },
      kmMax: { type: 'number', default: 2_000 },
    },
    steps: [
      { ...step('fetch'), params: { source: '${params.source}' }, outputs: ['parcels.csv'] },
      {
        ...step('prepare'),
        inputs: { parcels: 'fetch.parcels.csv' },
        params: { kmMax: '${params.kmMax}' },
        outputs: ['rows.jsonl'],
      },
      { ...step('fit'), inputs: { rows: 'prepare.rows.jsonl' }, outputs: ['model.json'] },
      { ...step('check'), inputs: { rows: 'prepare.rows.jsonl', model: 'fit.model.json' } },
      { name: 'release', approval: { message: 'Ship this model?' }, needs: ['check'] },
      {
        ...step('ship'),
        needs: ['release', 'check'],
        inputs: { model: 'fit.model.json' },
        when: { of: 'check.error', below: 3 },
      },
    ],
  }),
]);
