import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { KedgeError, messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { SyncEventLog } from '#ports/event-log';
import type { Executor } from '#ports/executor';
import type { SharedState } from '#ports/shared-state';
import type { CheckWork } from '../checks/routes.ts';
import { checkCandidate } from './check-candidate.ts';
import { checkCandidates } from './check-candidates.ts';
import {
  type ControlPlane,
  type ControlPlaneAddress,
  connectControlPlane,
  type GuardrailReport,
} from './control-plane.ts';
import type { FeatureReader } from './feature-reader.ts';
import { followCallers, followRouting, restoreCallers, restoreRouting, untilDone } from './follow.ts';
import { DEFAULT_LIMITS, type GatewayLimits, type GatewayParts } from './gateway-parts.ts';
import { startGrpcServer } from './grpc/grpc-server.ts';
import { BodyBudget } from './http/http-io.ts';
import { createHttpServer } from './http/http-server.ts';
import { AsyncResults } from './http/open-inference/results.ts';
import type { ContainerContract } from './http/scoring.ts';
import { type DialectName, dialectOf } from './open-inference/dialect.ts';
import { Predictor } from './predictor.ts';
import type { ApiKeys } from './protection/access/api-keys.ts';
import type { AccessOptions } from './protection/access/open-door.ts';
import { openProtection } from './protection/open-protection.ts';
import type { TenantRule } from './protection/tenants.ts';
import { RecentLog } from './recent-log.ts';
import { Recorder } from './recorder.ts';
import { ModelRepository } from './repository/model-repository.ts';
import { RegisteredTensors } from './repository/registered-tensors.ts';
import { Router } from './router.ts';
import { DeclaredRuntimes, type ProcessPolicy } from './runtime/declared-runtimes.ts';
import { ModelCache } from './runtime/model-cache.ts';
import type { RuntimeChoice } from './runtime/model-runtime.ts';
import { LoadSignals } from './scaling/load-signals.ts';
import { resumed, type Unscored } from './score-again.ts';
import { Scorer } from './scorer.ts';
import { sendObservations } from './send-observations.ts';
import { Shipper } from './shipper.ts';
import { StatisticsBook } from './statistics.ts';
import { TensorScorer } from './tensor-scorer.ts';
import type { ServerTls } from './tls.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** `null` serves no gRPC. */
  readonly grpcPort: number | null;
  readonly controlPlane: ControlPlaneAddress;
  /** Where the routing table of the last run is kept. */
  readonly routingFile: string;
  readonly blobs: BlobStore;
  readonly log: SyncEventLog;
  readonly features?: FeatureReader | undefined;
  /** Where gateways count limits together, and keep answers for one another. */
  readonly shared?: SharedState | undefined;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<GatewayLimits>;
  readonly runtime?: RuntimeChoice;
  /** Origins of servers that may run models, as `https://triton:8000`; `*` is any. None unless told. */
  readonly modelServers?: readonly string[] | undefined;
  /** Whether processes are started for models, and with what; `off` unless told. */
  readonly modelProcesses?: ProcessPolicy | undefined;
  readonly executor?: Executor | undefined;
  /** A folder of models that are served beside the endpoints, and whether clients may load and unload them. */
  readonly repository?: { readonly folder: string; readonly control: boolean } | undefined;
  readonly dialect?: DialectName;
  readonly contract?: ContainerContract;
  /** Of the product, for people. */
  readonly version?: string;
  /** Whom to let in: has to be told, unless the host is loopback, where it is programs of this machine. */
  readonly access?: AccessOptions | undefined;
  /** How requests say for which tenant they are. */
  readonly tenants?: TenantRule | undefined;
  /** Serves HTTP and gRPC over TLS. */
  readonly tls?: ServerTls | undefined;
  /** How long recorded predictions are gathered before they are sent; 250 ms unless told. */
  readonly shipEveryMs?: number;
  /** How often the load that autoscalers are told is sampled; 5 s unless told. */
  readonly sampleEveryMs?: number;
}

export interface Gateway {
  readonly url: string;
  /** `host:port`, when gRPC is served. */
  readonly grpcAddress: string | undefined;
  /** The version of the routing table in force; -1 while there is none. */
  readonly routingVersion: number;
  /** Sends everything recorded so far and tells how many predictions that were. */
  flush(): Promise<number>;
  /** Stops taking requests and finishes those in work. What is recorded stays in the log for the next start. */
  close(): Promise<void>;
}

/** Starts a gateway from the routing table of its last run, if there is one, and keeps it up to date. */
export async function startGateway(given: GatewayOptions): Promise<Gateway> {
  const { system, routingFile } = given;
  const recent = new RecentLog(system.clock);
  const logger = recent.remembering(given.logger);
  const options = { ...given, logger, recent };
  const stop = new AbortController();
  const drain = new AbortController();
  const signals = { signal: stop.signal, draining: drain.signal };
  const { parts, scorer, shipper, keys } = await assemble(options, signals);
  const { router, controlPlane, cache } = parts;
  const table = { router, controlPlane, routingFile, system, logger };
  await parts.repository.scan();
  await restoreRouting(table);
  const callers = await restoredCallers(options, { keys, controlPlane });
  await shipper.start();
  const server = createHttpServer(parts, options.tls);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, options.host, resolve);
  });
  const { grpcPort, host, tls } = options;
  const grpc = grpcPort === null ? undefined : await startGrpcServer(parts, { host, port: grpcPort, tls });
  const following = [
    followRouting({ ...table, signal: stop.signal }),
    ...(callers ? [followCallers({ ...callers, signal: stop.signal })] : []),
  ];
  const observing = sendObservations({
    ...{ router, system, recent, signal: stop.signal },
    send: (seen) =>
      untilDone('observation', { system, logger, signal: stop.signal }, () => controlPlane.observe(seen, stop.signal)),
  });
  const checking = checkWhatIsAsked(parts);
  const sampling = parts.load.follow(stop.signal, options.sampleEveryMs);
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    grpcAddress: grpc?.address,
    get routingVersion() {
      return router.version;
    },
    flush: parts.flush,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      drain.abort();
      await grpc?.close();
      await Promise.all([scorer.drained(), parts.tensorScorer.drained()]);
      parts.results.clear();
      server.closeAllConnections();
      await closed;
      await shipper.stop();
      stop.abort();
      await Promise.all([...following, observing, checking, sampling]);
      await cache.close();
    },
  };
}

function checkWhatIsAsked({
  router,
  cache,
  controlPlane,
  system,
  logger,
  limits,
  signal,
}: GatewayParts): Promise<void> {
  const retries = { system, logger, signal };
  return checkCandidates({
    ...{ router, system, signal },
    async ask(rollout) {
      let work: CheckWork | undefined;
      await untilDone('checks', retries, async () => {
        work = await controlPlane.checkWork(rollout, signal);
      });
      return work;
    },
    check: (work) => checkCandidate(work, { cache, system, timeoutMs: limits.predictTimeoutMs, signal }),
    report: (report) => untilDone('checks', retries, () => controlPlane.reportChecks(report, signal)),
  });
}

/** Of the log, what goes with a guardrail's report. */
const LOGS_MS = 300_000;
const LOGS_MAX = 50;

interface Assembly {
  readonly parts: GatewayParts;
  readonly scorer: Scorer;
  readonly shipper: Shipper;
  readonly keys: ApiKeys | undefined;
}

function repositoryOf(
  { repository, routingFile }: GatewayOptions,
  deps: { readonly cache: ModelCache; readonly rowsMax: number },
): ModelRepository {
  const { folder, control = false } = repository ?? {};
  return new ModelRepository({ folder, control, uploads: join(dirname(routingFile), 'uploads'), ...deps });
}

/** The table of callers of the last run in force, and what keeps it up to date; nothing where no keys count. */
async function restoredCallers(
  { access, system, logger }: Pick<GatewayOptions, 'access' | 'system' | 'logger'>,
  { keys, controlPlane }: { readonly keys: ApiKeys | undefined; readonly controlPlane: ControlPlane },
) {
  if (!keys || access?.kind !== 'credentials') return undefined;
  const callers = { keys, controlPlane, callersFile: access.callersFile, system, logger };
  await restoreCallers(callers);
  return callers;
}

/** Makes the parts and connects them; nothing runs yet. */
async function assemble(
  options: GatewayOptions & { readonly recent: RecentLog },
  { signal, draining }: Pick<GatewayParts, 'signal' | 'draining'>,
): Promise<Assembly> {
  const { log, logger, metrics, system, features, shipEveryMs: everyMs = 250 } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { clock } = system;
  const protection = openProtection(options);
  const controlPlane = connectControlPlane(options.controlPlane);
  const cache = openCache(options, limits);
  const router = new Router({ cache, logger, clock, protection: protection.deps });
  const statistics = new StatisticsBook();
  const tensorScorer = new TensorScorer({ cache, clock, statistics, timeoutMs: limits.predictTimeoutMs });
  const post = controlPlane.predictions;
  const scoreAgain = (unscored: readonly Unscored[]): readonly string[] => {
    const startedMs = clock.monotonic();
    const byName = new Map([...router.endpoints].map((endpoint) => [endpoint.routed.name, endpoint]));
    const predictions = unscored.flatMap((one) => resumed(one, byName.get(one.prediction.endpoint), startedMs) ?? []);
    scorer.submitBeside(predictions);
    return predictions.map(({ id }) => id);
  };
  const shipper = new Shipper({ log, system, logger, metrics, post, everyMs, scoreAgain });
  const recorder = new Recorder({
    ...{ log, logger, metrics, clock },
    queueMax: limits.recordQueueMax,
    shipped: () => shipper.shipped,
    end: await log.end(),
    onRecorded: () => shipper.wake(),
  });
  const scorer = new Scorer({
    ...{ cache, clock, statistics, timeoutMsMax: limits.predictTimeoutMs },
    record: (predictions) => recorder.record(predictions),
    recordShadows: (results) => recorder.recordShadows(results),
    onTrip(endpoint, trip) {
      const { rollout, name } = endpoint.routed;
      const odd = endpoint.candidate?.observer.odd ?? [];
      if (rollout === undefined || !router.trip(endpoint)) return;
      logger.warn({ endpoint: name, rollout, ...trip }, 'guardrail tripped: the candidate is out of traffic');
      const now = clock.now();
      const logs = options.recent.between(now - LOGS_MS, now + 1, LOGS_MAX);
      const report: GuardrailReport = { endpoint: name, rollout, ...trip, odd, logs };
      void untilDone('guardrail report', { system, logger, signal }, () => controlPlane.report(report, signal));
    },
  });
  const parts: GatewayParts = {
    ...{ router, cache, controlPlane, system, limits, logger, metrics, signal, draining, statistics, tensorScorer },
    load: new LoadSignals({ router, statistics, cache, clock }),
    repository: repositoryOf(options, { cache, rowsMax: limits.instancesMax }),
    registeredTensors: new RegisteredTensors({ cache, rowsMax: limits.instancesMax }),
    dialect: dialectOf(options.dialect ?? 'kedge'),
    contract: options.contract ?? {},
    door: protection.door,
    tenants: options.tenants,
    bodies: new BodyBudget(limits.bodiesBytesMax),
    results: new AsyncResults(system),
    version: options.version ?? '',
    predictor: new Predictor({ scorer, features, system }),
    inWork: () => scorer.inWork + tensorScorer.inWork,
    flush: () => shipper.flush(),
    onError: (error, where) => {
      protection.refused(error);
      if (!(error instanceof KedgeError) || error.status >= 500) logger.error({ err: error, where }, messageOf(error));
    },
  };
  return { parts, scorer, shipper, keys: protection.keys };
}

function openCache(options: GatewayOptions, limits: GatewayLimits): ModelCache {
  const { blobs, system, logger, metrics, runtime: choice = 'auto', modelServers: servers = [] } = options;
  const { executor, modelProcesses: processes = 'off' } = options;
  const declared = new DeclaredRuntimes({ system, logger, servers, processes, executor });
  const { modelMemoryBytesMax: memoryBytesMax } = limits;
  return new ModelCache({ blobs, memoryBytesMax, choice, declared, clock: system.clock, logger, metrics });
}
