export { type Evaluation, evaluate } from './evaluate.ts';
export { modelTable, splitByTime } from './model-table.ts';
export { type ReferenceProfile, referenceProfile } from './reference-profile.ts';
export { type Trial, tune } from './tune.ts';
