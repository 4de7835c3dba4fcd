export { ProblemError } from '#platform/contract';
export { type ConnectOptions, connect, type Kedge } from './connect.ts';
export {
  dataset,
  endpoint,
  featureView,
  gatePolicy,
  monitor,
  type Project,
  pipeline,
  project,
  type Resource,
  rule,
} from './resources.ts';
