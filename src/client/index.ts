export { ProblemError } from '#platform/contract';
export { type ConnectOptions, connect, type Kedge } from './connect.ts';
export { type Pipeline, pipeline, pipelineStep } from './pipeline.ts';
export { predictSteps } from './predict-steps.ts';
export {
  dataset,
  endpoint,
  featureView,
  freeze,
  gatePolicy,
  modelGraph,
  monitor,
  type Project,
  pool,
  project,
  quota,
  type Resource,
  rule,
  schedule,
  trigger,
} from './resources.ts';
