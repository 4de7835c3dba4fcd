import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import { createLogger, createMetrics } from '#platform/observe';
import { startGateway } from '#serving';

/**
 * A gateway over a prepared folder. The second argument is limits as JSON, beside the defaults; the third is its
 * control plane, without which it has an address that answers nobody, so that everything is kept in the log.
 */
const [folder = '', limits = '{}', controlPlane = 'http://127.0.0.1:9'] = process.argv.slice(2);
const gateway = await startGateway({
  host: '127.0.0.1',
  port: 0,
  grpcPort: 0,
  controlPlane: { url: controlPlane },
  routingFile: join(folder, 'routing.json'),
  blobs: await openFsBlobStore({ root: join(folder, 'blobs') }),
  log: await openLocalLog({ folder: join(folder, 'log') }),
  system: realSystem(),
  logger: createLogger('bench', 'fatal'),
  metrics: createMetrics('gateway'),
  limits: { recordQueueMax: 10_000_000, ...JSON.parse(limits) },
});
process.send?.({ url: gateway.url, grpc: gateway.grpcAddress });
