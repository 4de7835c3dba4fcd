import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import type { Callbacks } from './callbacks/callbacks.ts';
import type { ControlPlane } from './control-plane.ts';
import type { BodyBudget } from './http/http-message.ts';
import type { KeepAlive } from './http/keep-alive.ts';
import type { AsyncResults } from './http/open-inference/results.ts';
import type { ContainerContract } from './http/scoring.ts';
import type { Dialect } from './open-inference/dialect.ts';
import type { Predictor } from './predictor.ts';
import type { Siblings } from './processes/siblings.ts';
import type { Door } from './protection/access/door.ts';
import type { DirectAccess } from './protection/direct-access.ts';
import type { TenantRule } from './protection/tenants.ts';
import type { ModelRepository } from './repository/model-repository.ts';
import type { RegisteredTensors } from './repository/registered-tensors.ts';
import type { Router } from './router.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import type { LoadSignals } from './scaling/load-signals.ts';
import type { StatisticsBook } from './statistics.ts';
import type { TensorScorer } from './tensor-scorer.ts';
import type { RequestWatch } from './watch/request-watch.ts';

/** What a gateway may use and refuse. Every figure has a default; see {@link DEFAULT_LIMITS}. */
export interface GatewayLimits {
  readonly modelMemoryBytesMax: number;
  readonly predictTimeoutMs: number;
  /** Log entries waiting for the control plane. */
  readonly recordQueueMax: number;
  /** How long after its answer a prediction is written to the log at most; 0 writes it before. */
  readonly recordDelayMs: number;
  readonly bodyBytesMax: number;
  /** Of all bodies that are on their way. */
  readonly bodiesBytesMax: number;
  /** Rows of one request. */
  readonly instancesMax: number;
  /** Predictions in work at once. */
  readonly requestsMax: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  modelMemoryBytesMax: 1024 * 1024 * 1024,
  predictTimeoutMs: 2_000,
  recordQueueMax: 100_000,
  recordDelayMs: 10,
  bodyBytesMax: 4 * 1024 * 1024,
  bodiesBytesMax: 256 * 1024 * 1024,
  instancesMax: 1_000,
  requestsMax: 10_000,
};

/** The parts of a running gateway that its protocols share. */
export interface GatewayParts {
  readonly router: Router;
  readonly predictor: Predictor;
  readonly cache: ModelCache;
  readonly repository: ModelRepository;
  readonly registeredTensors: RegisteredTensors;
  readonly tensorScorer: TensorScorer;
  readonly statistics: StatisticsBook;
  /** What autoscalers are told. */
  readonly load: LoadSignals;
  /** The names and words of the Open Inference Protocol. */
  readonly dialect: Dialect;
  readonly contract: ContainerContract;
  /** Before models that are addressed without their endpoint. */
  readonly direct: DirectAccess;
  /** Absent where everybody is let in. */
  readonly door: Door | undefined;
  /** Absent where requests are of no tenant. */
  readonly tenants: TenantRule | undefined;
  /** Absent where nobody is told of requests. */
  readonly watch: RequestWatch | undefined;
  readonly bodies: BodyBudget;
  readonly results: AsyncResults;
  /** Absent where answers are sent to no addresses. */
  readonly callbacks: Callbacks | undefined;
  readonly keepAlive: KeepAlive;
  /** The other processes that serve the same address; absent where this is the only one. */
  readonly siblings: Siblings | undefined;
  /** Of the product, for people. */
  readonly version: string;
  readonly controlPlane: ControlPlane;
  readonly system: System;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Ends when the gateway closes. */
  readonly signal: AbortSignal;
  /** Ends when the gateway begins to close, so that what goes on for ever does not hold it up. */
  readonly draining: AbortSignal;
  /** Whether requests can be answered, by every process of the gateway. */
  ready(): boolean;
  /** Connections over HTTP that this process has open. */
  openConnections(): Promise<number>;
  /** Predictions that wait for their answer. */
  inWork(): number;
  /** Sends everything that this process recorded so far and tells how many predictions that were. */
  flush(): Promise<number>;
  /** Logs what is not an expected failure. */
  onError(error: unknown, where: string): void;
}
