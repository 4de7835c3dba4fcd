import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import { createLogger, createMetrics } from '#platform/observe';
import { startGateway } from '#serving';

/**
 * A gateway over a prepared folder; its control plane address answers nobody, so everything is kept in the log. The
 * second argument is limits as JSON, beside the defaults.
 */
const [folder = '', limits = '{}'] = process.argv.slice(2);
const gateway = await startGateway({
  host: '127.0.0.1',
  port: 0,
  grpcPort: 0,
  controlPlane: { url: 'http://127.0.0.1:9' },
  routingFile: join(folder, 'routing.json'),
  blobs: await openFsBlobStore({ root: join(folder, 'blobs') }),
  log: await openLocalLog({ folder: join(folder, 'log') }),
  system: realSystem(),
  logger: createLogger('bench', 'fatal'),
  metrics: createMetrics('gateway'),
  limits: { recordQueueMax: 10_000_000, ...JSON.parse(limits) },
});
process.send?.({ url: gateway.url, grpc: gateway.grpcAddress });
