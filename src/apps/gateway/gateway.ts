import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openProcessExecutor } from '#adapters/exec/process';
import { openLocalLog } from '#adapters/log/local';
import type { Clock } from '#core/clock';
import { defineErrors, messageOf } from '#core/errors';
import { type Config, containerEnvironment, inheritedEnvironment } from '#platform/config';
import { type LineFile, type Logger, openLineFile } from '#platform/observe';
import type { SyncEventLog } from '#ports/event-log';
import { DEFAULT_LIMITS, type GatewayLimits, type GatewayOptions, startGateway, tenantRuleOf } from '#serving';
import product from '../../../package.json' with { type: 'json' };
import { rolesOfGroups } from '../oidc-settings.ts';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs, openNotifier, openOnlineStore, openShared } from '../stores.ts';
import { onlineFeatures } from './online-features.ts';
import type { JoinedSiblings } from './processes/join-siblings.ts';
import {
  CALLERS_FILE,
  inheritKept,
  type ProcessFolders,
  processFolders,
  ROUTING_FILE,
} from './processes/process-folders.ts';

/** The data plane as a process: scoring over HTTP and gRPC from the stores of the data directory. */
export async function startGatewayProcess(base: ProcessBase, siblings?: JoinedSiblings): Promise<RunningProcess> {
  const { config, dataDir, system, metrics } = base;
  const logger = siblings ? base.logger.child({ process: siblings.place }) : base.logger;
  const { place, count } = siblings ?? { place: 1, count: 1 };
  const folders = await processFolders(dataDir.gateway, { place, count });
  await inheritKept(folders);
  const openLog = (folder: string): Promise<SyncEventLog> =>
    openLocalLog({
      folder: join(folder, 'log'),
      clock: system.clock,
      onFinding: (finding) => logger.warn(finding, 'the log of recorded predictions was found damaged'),
    });
  const log = await openLog(folders.own);
  const leftLogs = await Promise.all(folders.left.map(openLog));
  const shared = await openShared(config, logger);
  const features = onlineFeatures(() => openOnlineStore(dataDir, 'read'), logger);
  const { modelRepository: models, modelControl: control } = config;
  const { port: containerPort, ...routes } = containerEnvironment();
  const accessLog = openAccessLog(config, { clock: system.clock, logger });
  const gateway = await startGateway({
    host: config.host,
    port: containerPort ?? config.gatewayPort,
    grpcPort: config.grpcPort,
    controlPlane: { url: config.controlPlaneUrl, token: config.token || undefined },
    routingFile: join(folders.own, ROUTING_FILE),
    ...{ siblings, leftLogs },
    blobs: await openBlobs(config, dataDir),
    ...{ log, features, shared, system, logger, metrics },
    modelServers: listOf(config.modelServers),
    modelProcesses: policyOf(config.modelProcesses),
    executor: openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment() }),
    repository: models === '' ? undefined : { folder: await folderAt(models), control },
    callbacks: callbacksOf(config, folders),
    dialect: config.servingDialect === 'triton' ? 'triton' : 'kedge',
    tenants: tenantRuleOf(config.tenants),
    access: accessOf(config, join(folders.own, CALLERS_FILE)),
    contract: { ...routes, defaultEndpoint: config.defaultEndpoint },
    version: product.version,
    watch: watchOf(config, accessLog),
    tls: await tlsOf(config),
    limits: limitsOf(config, count),
  });
  await siblings?.serve(gateway, logger);
  return {
    ready: { url: gateway.url, grpc: gateway.grpcAddress ?? '' },
    async stop() {
      await gateway.close();
      await accessLog?.close();
      await features.close();
      await shared?.close();
      await Promise.all([log, ...leftLogs].map((one) => one.close()));
    },
  };
}

function openAccessLog(
  { accessLog: path }: Config,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): LineFile | undefined {
  if (path === '') return undefined;
  return openLineFile(path, { clock, onLoss: (why) => logger.error({ path }, `the access log loses lines: ${why}`) });
}

/** Without a log and without a receiver of traces no request is looked at. */
function watchOf({ otlpEndpoint }: Config, accessLog: LineFile | undefined): GatewayOptions['watch'] {
  const spans = otlpEndpoint !== '';
  return accessLog || spans ? { spans, line: accessLog && ((line) => accessLog.write(line)) } : undefined;
}

/** What a gateway may use as a whole, in equal parts for its processes. */
function limitsOf(config: Config, processes: number): Partial<GatewayLimits> {
  const { modelMemoryBytesMax, predictTimeoutMs, recordQueueMax, recordDelayMs } = config;
  const part = (whole: number): number => Math.ceil(whole / processes);
  return {
    predictTimeoutMs,
    modelMemoryBytesMax: part(modelMemoryBytesMax),
    recordQueueMax: part(recordQueueMax),
    recordDelayMs,
    bodiesBytesMax: part(DEFAULT_LIMITS.bodiesBytesMax),
    requestsMax: part(DEFAULT_LIMITS.requestsMax),
  };
}

/** Nothing is sent anywhere for whoever asks unless the receiver can tell who sent it. */
function callbacksOf(config: Config, { own, left }: ProcessFolders): GatewayOptions['callbacks'] {
  if (config.callbackSecret === '') return undefined;
  const at = (folder: string): string => join(folder, 'callbacks');
  return { folder: at(own), left: left.map(at), secret: config.callbackSecret, notifier: openNotifier(config) };
}

const LOOPBACK: readonly string[] = ['127.0.0.1', '::1', 'localhost'];

/** Errors: `config/invalid`. */
function accessOf(config: Config, callersFile: string): NonNullable<GatewayOptions['access']> {
  const { gatewayAccess, host, oidcIssuer: issuer, oidcClientId, oidcAudience, oidcRoleClaim: roleClaim } = config;
  if (gatewayAccess === 'open') return { kind: 'open' };
  if (gatewayAccess === 'auto' && LOOPBACK.includes(host)) return { kind: 'local' };
  const tokens = { issuer, audience: oidcAudience || oidcClientId, roleClaim, roles: rolesOfGroups(config.oidcRoles) };
  return { kind: 'credentials', callersFile, ...(issuer === '' ? {} : { tokens }) };
}

const gatewayConfigErrors = defineErrors('gateway-config', {
  tls: { status: 400, title: 'The gateway cannot serve over TLS as configured' },
  repository: { status: 400, title: 'The model repository cannot be used' },
});

function policyOf(text: string): GatewayOptions['modelProcesses'] {
  return text === 'isolated' || text === 'any' ? text : 'off';
}

/** Texts between commas. */
function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim().replace(/\/$/, ''))
    .filter((item) => item !== '');
}

/** Errors: `gateway-config/repository`. */
async function folderAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return path;
  throw gatewayConfigErrors.repository(`KEDGE_MODEL_REPOSITORY: ${path} is no folder`);
}

/** Reads the files that the configuration names. Errors: `gateway-config/tls`. */
async function tlsOf({ tlsCert, tlsKey, tlsClientCa }: Config): Promise<GatewayOptions['tls']> {
  if (tlsCert === '' && tlsKey === '' && tlsClientCa === '') return undefined;
  if (tlsCert === '' || tlsKey === '') {
    throw gatewayConfigErrors.tls('KEDGE_TLS_CERT and KEDGE_TLS_KEY belong together');
  }
  try {
    // One after the other, so that it is always the first of them that is named.
    const cert = await readFile(tlsCert);
    const key = await readFile(tlsKey);
    return { cert, key, ...(tlsClientCa === '' ? {} : { clientCa: await readFile(tlsClientCa) }) };
  } catch (error) {
    throw gatewayConfigErrors.tls(messageOf(error));
  }
}
