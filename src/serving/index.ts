import type { DomainParts } from '#platform/domain';
import { GoldenRequests } from './checks/golden-service.ts';
import { servingConsumers } from './consumers.ts';
import type { ServingDeps } from './deps.ts';
import { servingHandlers } from './handlers.ts';
import { MODEL_GRAPH, ModelGraphs } from './model-graphs/model-graphs.ts';
import { ServingService } from './service.ts';

export type { EndpointSpec, EndpointView, RolloutView } from './contract.ts';
export type { RecordedRequest, ServingDeps, VersionSource } from './deps.ts';
export { servingErrors } from './errors.ts';
export {
  comparisonBlock,
  currentChanged,
  guardrailTripped,
  rolloutAdvanced,
  rolloutFinished,
  rolloutStarted,
  routingChanged,
} from './events.ts';
export { DEFAULT_LIMITS } from './gateway/gateway-parts.ts';
export type {
  Answers,
  FeatureReader,
  Gateway,
  GatewayLimits,
  GatewayOptions,
  Inherited,
  PredictionRecord,
  ProcessView,
  Protocol,
  Question,
  Siblings,
} from './gateway/index.ts';
export { tenantRuleOf } from './gateway/protection/tenants.ts';
export { servingKinds } from './kinds.ts';
export { servingMigrations } from './migrations/index.ts';
export type { Arm, ModelSignature, RoutedEndpoint, RoutingTable } from './routing.ts';

export interface Serving
  extends Pick<
    ServingService,
    | 'endpoints'
    | 'endpoint'
    | 'start'
    | 'promote'
    | 'promoteArm'
    | 'dropArm'
    | 'reportGuardrail'
    | 'abort'
    | 'approve'
    | 'pause'
    | 'resume'
    | 'bundle'
    | 'traffic'
    | 'observe'
    | 'checkWork'
    | 'reportOutcomes'
    | 'reportChecks'
    | 'unlock'
    | 'rollForward'
    | 'rollouts'
    | 'rollout'
    | 'lastPromotion'
    | 'routing'
  > {
  readonly golden: GoldenRequests;
  readonly parts: DomainParts;
}

/** Serving: endpoints, the rollouts that change what they answer with, and the routing table of the gateways. */
export function createServing(deps: ServingDeps): Serving {
  const service = new ServingService(deps);
  const golden = new GoldenRequests(deps);
  const graphs = new ModelGraphs(deps);
  deps.resources.verify(MODEL_GRAPH, (draft) => graphs.verify(draft));
  return {
    endpoints: service.endpoints.bind(service),
    endpoint: service.endpoint.bind(service),
    start: service.start.bind(service),
    promote: service.promote.bind(service),
    promoteArm: service.promoteArm.bind(service),
    dropArm: service.dropArm.bind(service),
    reportGuardrail: service.reportGuardrail.bind(service),
    abort: service.abort.bind(service),
    approve: service.approve.bind(service),
    pause: service.pause.bind(service),
    resume: service.resume.bind(service),
    bundle: service.bundle.bind(service),
    traffic: service.traffic.bind(service),
    observe: service.observe.bind(service),
    reportOutcomes: service.reportOutcomes.bind(service),
    checkWork: service.checkWork.bind(service),
    reportChecks: service.reportChecks.bind(service),
    golden,
    unlock: service.unlock.bind(service),
    rollForward: service.rollForward.bind(service),
    rollouts: service.rollouts.bind(service),
    rollout: service.rollout.bind(service),
    lastPromotion: service.lastPromotion.bind(service),
    routing: service.routing.bind(service),
    parts: { routes: [servingHandlers(service, golden)], consumers: servingConsumers(service, graphs, deps), jobs: [] },
  };
}

/** Starts the data plane. Its code and the model runtime are loaded with the first call. */
export async function startGateway(
  options: import('./gateway/index.ts').GatewayOptions,
): Promise<import('./gateway/index.ts').Gateway> {
  const gateway = await import('./gateway/index.ts');
  return gateway.startGateway(options);
}

/** Predicts every row of a file in this process. The model runtime is loaded with the first call. */
export async function predictFile(
  work: import('./gateway/batch/predict-file.ts').FileWork,
): Promise<import('./gateway/batch/predict-file.ts').FileProgress> {
  const batch = await import('./gateway/batch/predict-file.ts');
  return batch.predictFile(work);
}

/** Puts the rows of Parquet files into one, in their order, and tells how many there are. */
export async function joinFiles(files: readonly string[], output: string): Promise<number> {
  const batch = await import('./gateway/batch/predict-file.ts');
  return batch.joinFiles(files, output);
}
