/** What step functions of a project may use: `import { trainingSet, type StepContext } from 'kedge/steps'`. */

/** Writes ONNX files, for models that no trainer here makes. */
export { OnnxGraph } from '#learn/onnx';
export type { StepContext, StepFunction } from '#pipelines';
export { type Evaluation, evaluate } from '#training';
export { readJson, readTable, writeJson, writeTable } from './files.ts';
export { explainGbdt, fitGbdt, profileGbdt, tuneGbdt } from './gbdt.ts';
export { registerModel } from './register.ts';
export {
  type FeatureViewFile,
  inputOf,
  type LeakEvidence,
  requireNoLeaks,
  type SnapshotFile,
  type TrainingSetOptions,
  trainingSet,
} from './training-set.ts';
