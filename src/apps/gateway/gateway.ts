import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openProcessExecutor } from '#adapters/exec/process';
import { openLocalLog } from '#adapters/log/local';
import { defineErrors, messageOf } from '#core/errors';
import { type Config, containerEnvironment, inheritedEnvironment } from '#platform/config';
import { type GatewayOptions, startGateway, tenantRuleOf } from '#serving';
import product from '../../../package.json' with { type: 'json' };
import { rolesOfGroups } from '../oidc-settings.ts';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs, openOnlineStore, openShared } from '../stores.ts';
import { onlineFeatures } from './online-features.ts';

/** The data plane as a process: scoring over HTTP and gRPC from the stores of the data directory. */
export async function startGatewayProcess(base: ProcessBase): Promise<RunningProcess> {
  const { config, dataDir, system, logger, metrics } = base;
  const { modelMemoryBytesMax, predictTimeoutMs, recordQueueMax } = config;
  const log = await openLocalLog({
    folder: join(dataDir.gateway, 'log'),
    clock: system.clock,
    onFinding: (finding) => logger.warn(finding, 'the log of recorded predictions was found damaged'),
  });
  const shared = await openShared(config, logger);
  const features = onlineFeatures(() => openOnlineStore(dataDir, 'read'), logger);
  const { modelRepository: models, modelControl: control } = config;
  const { port: containerPort, ...routes } = containerEnvironment();
  const gateway = await startGateway({
    host: config.host,
    port: containerPort ?? config.gatewayPort,
    grpcPort: config.grpcPort,
    controlPlane: { url: config.controlPlaneUrl, token: config.token || undefined },
    routingFile: join(dataDir.gateway, 'routing.json'),
    blobs: await openBlobs(config, dataDir),
    ...{ log, features, shared, system, logger, metrics },
    modelServers: listOf(config.modelServers),
    modelProcesses: policyOf(config.modelProcesses),
    executor: openProcessExecutor({ clock: system.clock, environment: inheritedEnvironment() }),
    repository: models === '' ? undefined : { folder: await folderAt(models), control },
    dialect: config.servingDialect === 'triton' ? 'triton' : 'kedge',
    tenants: tenantRuleOf(config.tenants),
    access: accessOf(config, join(dataDir.gateway, 'callers.json')),
    contract: { ...routes, defaultEndpoint: config.defaultEndpoint },
    version: product.version,
    tls: await tlsOf(config),
    limits: { modelMemoryBytesMax, predictTimeoutMs, recordQueueMax },
  });
  return {
    ready: { url: gateway.url, grpc: gateway.grpcAddress ?? '' },
    async stop() {
      await gateway.close();
      await features.close();
      await shared?.close();
      await log.close();
    },
  };
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
