import type { Command } from 'commander';
import { loadConfig } from '#platform/config';
import { startPlatform } from '../../supervisor/platform.ts';
import { explainFailure } from '../failure.ts';

export function upCommand(program: Command): void {
  program
    .command('up')
    .description('start everything on this machine: control plane with console, gateway, workers')
    .option('--data <dir>', 'where the embedded stores live', './.kedge')
    .option('--host <address>', 'address to listen on')
    .option('--port <port>', 'control plane and console', '4600')
    .option('--gateway-port <port>', 'scoring over HTTP', '4601')
    .option('--grpc-port <port>', 'scoring over gRPC', '4602')
    .option('--workers <count>', 'worker processes')
    .action(async (options) => {
      try {
        const config = loadConfig({
          dataDir: options.data,
          host: options.host,
          port: options.port,
          gatewayPort: options.gatewayPort,
          grpcPort: options.grpcPort,
          workers: options.workers,
        });
        const platform = await startPlatform(config);
        const stop = (): void => void platform.stop().then(() => process.exit(0));
        process.on('SIGINT', stop);
        process.on('SIGTERM', stop);
        const { console: consoleUrl, gateway, grpc, readyMs } = platform;
        process.stdout.write(
          [
            `Kedge is ready after ${(readyMs / 1_000).toFixed(1)} s, data in ${platform.dataDir}`,
            `  console and API   ${consoleUrl}`,
            `  scoring, HTTP     ${gateway}`,
            `  scoring, gRPC     ${grpc}`,
            'Stop it with Ctrl-C.\n',
          ].join('\n'),
        );
      } catch (error) {
        explainFailure(error);
        process.exit(1);
      }
    });
}
