import { join } from 'node:path';
import { openLocalLog } from '#adapters/log/local';
import { startGateway } from '#serving';
import type { ProcessBase, RunningProcess } from '../process.ts';
import { openBlobs, openOnlineStore } from '../stores.ts';
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
  const features = onlineFeatures(() => openOnlineStore(dataDir, 'read'), logger);
  const gateway = await startGateway({
    host: config.host,
    port: config.gatewayPort,
    grpcPort: config.grpcPort,
    controlPlane: { url: config.controlPlaneUrl, token: config.token || undefined },
    routingFile: join(dataDir.gateway, 'routing.json'),
    blobs: await openBlobs(config, dataDir),
    ...{ log, features, system, logger, metrics },
    limits: { modelMemoryBytesMax, predictTimeoutMs, recordQueueMax },
  });
  return {
    ready: { url: gateway.url, grpc: gateway.grpcAddress ?? '' },
    async stop() {
      await gateway.close();
      await features.close();
      await log.close();
    },
  };
}
