/**
 * What a version of the model `biopsies` must show before it reaches production, whoever asks and by whichever client.
 *
 *   kedge apply examples/gate/kedge.ts
 */
import { gatePolicy, project } from 'kedge';

export default project('biopsies', [
  gatePolicy('biopsies', {
    description: 'A second person looked at it, and at what was measured, scanned and licensed.',
    model: 'biopsies',
    transitions: ['stage', 'alias'],
    require: [
      { evidence: 'evaluation', metric: { name: 'auc', atLeast: 0.95, aboveChampion: { atLeast: -0.01 } } },
      { evidence: 'validation', passed: true },
      { evidence: 'scan', passed: true },
      { evidence: 'licences', allowed: { list: 'licences', values: ['MIT', 'BSD-3-Clause', 'Apache-2.0'] } },
      { approvals: 1, independent: true, signed: true },
    ],
  }),
]);
