export { ProblemError } from '#platform/contract';
export { type ConnectOptions, connect, type Kedge } from './connect.ts';
export {
  dataset,
  endpoint,
  featureView,
  freeze,
  gatePolicy,
  monitor,
  type Project,
  pipeline,
  pool,
  project,
  type Resource,
  rule,
  schedule,
  trigger,
} from './resources.ts';
