import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { KedgeError, messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { SyncEventLog } from '#ports/event-log';
import type { Executor } from '#ports/executor';
import type { SharedState } from '#ports/shared-state';
import type { CheckWork } from '../checks/routes.ts';
import { type CallbackOptions, Callbacks } from './callbacks/callbacks.ts';
import { checkCandidate } from './check-candidate.ts';
import { checkCandidates } from './check-candidates.ts';
import {
  type ControlPlane,
  type ControlPlaneAddress,
  connectControlPlane,
  type GuardrailReport,
} from './control-plane.ts';
import { gatewayErrors } from './errors.ts';
import type { FeatureReader } from './feature-reader.ts';
import { followCallers, followRouting, restoreCallers, restoreRouting, untilDone } from './follow.ts';
import { DEFAULT_LIMITS, type GatewayLimits, type GatewayParts } from './gateway-parts.ts';
import { startGrpcServer } from './grpc/grpc-server.ts';
import { BodyBudget } from './http/http-message.ts';
import { HttpServer } from './http/http-server.ts';
import { KeepAlive } from './http/keep-alive.ts';
import { AsyncResults } from './http/open-inference/results.ts';
import type { ContainerContract } from './http/scoring.ts';
import { serveRequest } from './http/serve-request.ts';
import { type DialectName, dialectOf } from './open-inference/dialect.ts';
import type { Prediction } from './prediction.ts';
import { Predictor } from './predictor.ts';
import { allStatistics } from './processes/all-statistics.ts';
import { respond } from './processes/respond.ts';
import type { Answers, Protocol, Question, Siblings } from './processes/siblings.ts';
import type { ApiKeys } from './protection/access/api-keys.ts';
import type { AccessOptions } from './protection/access/open-door.ts';
import { DirectAccess } from './protection/direct-access.ts';
import { openProtection } from './protection/open-protection.ts';
import type { TenantRule } from './protection/tenants.ts';
import { RecentLog } from './recent-log.ts';
import { Recording } from './recording/recording.ts';
import { resumed, type Unscored } from './recording/score-again.ts';
import { ModelRepository } from './repository/model-repository.ts';
import { RegisteredTensors } from './repository/registered-tensors.ts';
import { Router, type RouterOptions } from './router.ts';
import { DeclaredRuntimes, type ProcessPolicy } from './runtime/declared-runtimes.ts';
import { ModelCache } from './runtime/model-cache.ts';
import type { RuntimeChoice } from './runtime/model-runtime.ts';
import { Prefetch } from './runtime/prefetch.ts';
import { LoadSignals } from './scaling/load-signals.ts';
import { Scorer } from './scorer.ts';
import type { ScorerOptions } from './scorer-work.ts';
import { sendObservations } from './send-observations.ts';
import { StatisticsBook } from './statistics.ts';
import { TensorScorer } from './tensor-scorer.ts';
import type { ServerTls } from './tls.ts';
import { RequestWatch, type RequestWatchOptions } from './watch/request-watch.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** `null` serves no gRPC. */
  readonly grpcPort: number | null;
  readonly controlPlane: ControlPlaneAddress;
  /** Where the routing table of the last run is kept. */
  readonly routingFile: string;
  /** The other processes that serve the same address: this one listens nowhere, and takes connections over. */
  readonly siblings?: Siblings | undefined;
  /** What processes that are no more left in logs of their own, to be sent with what this one records. */
  readonly leftLogs?: readonly SyncEventLog[] | undefined;
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
  /** Lets requests name an address that their answer is sent to. */
  readonly callbacks?: CallbackOptions | undefined;
  readonly dialect?: DialectName;
  readonly contract?: ContainerContract;
  /** Of the product, for people. */
  readonly version?: string;
  /** Whom to let in: has to be told, unless the host is loopback, where it is programs of this machine. */
  readonly access?: AccessOptions | undefined;
  /** How requests say for which tenant they are. */
  readonly tenants?: TenantRule | undefined;
  /** Who is told of requests; nobody unless told. */
  readonly watch?: Omit<RequestWatchOptions, 'clock'> | undefined;
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
  /** Serves a connection that another process has accepted. */
  take(socket: Socket, protocol: Protocol): void;
  /** Answers for this process what one of the processes asks of all. */
  respond(question: Question): Promise<Answers[Question['ask']]>;
  /** Ends as many connections, each after an answer, so that their clients connect anew. */
  giveUp(connections: number): void;
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
  const { parts, scorer, recording, keys, server } = assemble(options, signals);
  const { router, controlPlane, cache } = parts;
  const { siblings, grpcPort, host, tls } = options;
  const table = { router, controlPlane, routingFile, system, logger, onTable: () => siblings?.routed() };
  await parts.repository.scan();
  await restoreRouting(table);
  const callers = await restoredCallers(options, { keys, controlPlane });
  await recording.start();
  await parts.callbacks?.start();
  if (!siblings) await server.listen(host, options.port);
  const grpcAt = { host, port: siblings ? null : grpcPort, tls };
  const grpc = grpcPort === null ? undefined : await startGrpcServer(parts, grpcAt);
  const following = [
    followRouting({ ...table, signal: stop.signal }),
    ...(callers ? [followCallers({ ...callers, signal: stop.signal })] : []),
  ];
  const observing = sendObservations({
    ...{ router, system, recent, signal: stop.signal },
    send: (seen) =>
      untilDone('observation', { system, logger, signal: stop.signal }, () => controlPlane.observe(seen, stop.signal)),
  });
  // One process of a gateway checks candidates: the first report decides, and a load test takes a whole core.
  const checking = siblings && siblings.place > 1 ? undefined : checkWhatIsAsked(parts);
  const sampling = parts.load.follow(stop.signal, options.sampleEveryMs);
  return {
    url: siblings?.url ?? urlOf(server, options),
    grpcAddress: siblings ? siblings.grpcAddress : grpc?.address,
    get routingVersion() {
      return router.version;
    },
    flush: parts.flush,
    take(socket, protocol) {
      socket.once('close', () => siblings?.closed(protocol));
      if (protocol === 'grpc') grpc?.take(socket);
      else server.take(socket);
    },
    respond: (question) => respond(parts, question),
    giveUp: (connections) => parts.keepAlive.end(connections),
    async close() {
      parts.keepAlive.end(Number.POSITIVE_INFINITY);
      const closed = server.close();
      drain.abort();
      for (const each of [scorer, parts.tensorScorer]) each.hurry();
      await grpc?.close();
      await Promise.all([scorer.drained(), parts.tensorScorer.drained()]);
      // Answers are written in the turn in which they are released, and not all of them at once.
      await new Promise((resolve) => setImmediate(resolve));
      parts.results.clear();
      await parts.callbacks?.close();
      server.closeAllConnections();
      await closed;
      await recording.close();
      stop.abort();
      await Promise.all([...following, observing, checking, sampling]);
      await cache.close();
    },
  };
}

function urlOf({ port }: HttpServer, { tls, host }: Pick<GatewayOptions, 'tls' | 'host'>): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
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
  readonly recording: Recording;
  readonly server: HttpServer;
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
function assemble(
  options: GatewayOptions & { readonly recent: RecentLog },
  { signal, draining }: Pick<GatewayParts, 'signal' | 'draining'>,
): Assembly {
  const { log, logger, metrics, system, features, siblings } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { instancesMax: rowsMax, predictTimeoutMs: timeoutMs } = limits;
  const { clock } = system;
  const protection = openProtection(options);
  const controlPlane = connectControlPlane(options.controlPlane);
  const cache = openCache(options, limits);
  const router = openRouter(options, { cache, controlPlane, signal, protection: protection.deps });
  const statistics = new StatisticsBook();
  const processes = siblings?.count;
  const tensorScorer = new TensorScorer({ cache, clock, statistics, timeoutMs, processes });
  const recording = new Recording({
    ...{ log, logger, metrics, system, leftLogs: options.leftLogs ?? [], shipEveryMs: options.shipEveryMs ?? 250 },
    ...{ queueMax: limits.recordQueueMax, delayMs: limits.recordDelayMs, post: controlPlane.predictions },
    scoreAgain: (unscored) => scorer.submitBeside(resumedOf(unscored, router, clock.monotonic())),
  });
  const scorer = new Scorer({
    ...{ cache, clock, statistics, processes, timeoutMsMax: timeoutMs, tensors: { tensorScorer, rowsMax } },
    record: (predictions) => recording.record(predictions),
    recordShadows: (results) => recording.recordShadows(results),
    onTrip: tripping(options, { router, controlPlane, signal }),
  });
  const parts: GatewayParts = {
    ...{ router, cache, controlPlane, system, limits, logger, metrics, signal, draining, statistics, tensorScorer },
    ...{ siblings, door: protection.door, tenants: options.tenants, direct: new DirectAccess(router) },
    load: new LoadSignals({
      router,
      cache,
      clock,
      processes,
      statistics: () => allStatistics({ siblings, statistics }),
    }),
    repository: repositoryOf(options, { cache, rowsMax }),
    registeredTensors: new RegisteredTensors({ cache, rowsMax }),
    dialect: dialectOf(options.dialect ?? 'kedge'),
    callbacks: options.callbacks && new Callbacks({ ...options.callbacks, system, logger, metrics }),
    watch: options.watch && new RequestWatch({ ...options.watch, clock }),
    bodies: new BodyBudget(limits.bodiesBytesMax),
    results: new AsyncResults(system),
    ...{ version: options.version ?? '', contract: options.contract ?? {} },
    predictor: new Predictor({ scorer, features, system }),
    inWork: () => scorer.inWork + tensorScorer.inWork,
    keepAlive: new KeepAlive(),
    ready: () => router.version >= 0 && (siblings?.ready ?? true),
    openConnections: () => server.connections(),
    flush: () => recording.flush(),
    onError: (error, where) => {
      protection.refused(error);
      if (isFault(error)) logger.error({ err: error, where }, messageOf(error));
    },
  };
  const server = openHttp(parts, options);
  return { parts, scorer, recording, server, keys: protection.keys };
}

/** What happens when a guardrail trips: the candidate is out of traffic, and the control plane is told why. */
function tripping(
  { system, logger, recent }: GatewayOptions & { readonly recent: RecentLog },
  { router, controlPlane, signal }: Pick<GatewayParts, 'router' | 'controlPlane' | 'signal'>,
): ScorerOptions['onTrip'] {
  return (endpoint, trip) => {
    const { rollout, name } = endpoint.routed;
    const odd = endpoint.observer?.odd ?? [];
    if (rollout === undefined || !router.trip(endpoint, trip.arm)) return;
    logger.warn({ endpoint: name, rollout, ...trip }, 'guardrail tripped: the candidate is out of traffic');
    const now = system.clock.now();
    const logs = recent.between(now - LOGS_MS, now + 1, LOGS_MAX);
    const report: GuardrailReport = { endpoint: name, rollout, ...trip, odd, logs };
    void untilDone('guardrail report', { system, logger, signal }, () => controlPlane.report(report, signal));
  };
}

/** Refusals that say when to come again are as many as requests are too many, and are counted, not logged. */
function isFault(error: unknown): boolean {
  if (!(error instanceof KedgeError)) return true;
  return error.status >= 500 && error.code !== gatewayErrors.busy.code && !('retryAfterMs' in error);
}

function openRouter(
  { system: { clock }, logger, blobs, siblings }: GatewayOptions,
  {
    controlPlane,
    signal,
    ...deps
  }: Pick<RouterOptions, 'cache' | 'protection'> & Pick<GatewayParts, 'controlPlane' | 'signal'>,
): Router {
  return new Router({
    ...{ ...deps, logger, clock },
    examples: (endpoint) => controlPlane.examples(endpoint, signal),
    // Processes of one gateway have their files at one place.
    prefetch: siblings && siblings.place > 1 ? undefined : new Prefetch({ blobs, logger, signal }),
  });
}

function openHttp(parts: GatewayParts, { tls, siblings }: GatewayOptions): HttpServer {
  return new HttpServer({ serve: (...exchange) => serveRequest(parts, ...exchange), tls, listens: !siblings });
}

/** Predictions of which the score beside the answer is still to be made. */
function resumedOf(unscored: readonly Unscored[], router: Router, startedMs: number): readonly Prediction[] {
  const byName = new Map([...router.endpoints].map((endpoint) => [endpoint.routed.name, endpoint]));
  return unscored.flatMap((one) => resumed(one, byName.get(one.prediction.endpoint), startedMs) ?? []);
}

function openCache(options: GatewayOptions, limits: GatewayLimits): ModelCache {
  const { blobs, system, logger, metrics, runtime: choice = 'auto', modelServers: servers = [] } = options;
  const { executor, modelProcesses: processes = 'off' } = options;
  const declared = new DeclaredRuntimes({ system, logger, servers, processes, executor });
  const { modelMemoryBytesMax: memoryBytesMax } = limits;
  return new ModelCache({ blobs, memoryBytesMax, choice, declared, clock: system.clock, logger, metrics });
}
