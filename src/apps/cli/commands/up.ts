import type { Command } from 'commander';
import { loadConfig } from '#platform/config';
import { ROLES, type Role, startPlatform } from '../../supervisor/platform.ts';
import { explainFailure, UsageError } from '../failure.ts';

export function upCommand(program: Command): void {
  program
    .command('up')
    .description('start everything on this machine: control plane with console, gateway, workers')
    .option('--data <dir>', 'where the embedded stores live', './.kedge')
    .option('--host <address>', 'address to listen on')
    .option('--port <port>', 'control plane and console', '4600')
    .option('--gateway-port <port>', 'scoring over HTTP', '4601')
    .option('--grpc-port <port>', 'scoring over gRPC', '4602')
    .option('--processes <count>', 'processes that serve the ports of the gateway, for more than one core')
    .option('--workers <count>', 'worker processes')
    .option('--executor <name>', 'what workers run steps on')
    .option('--embedded-slots <count>', 'step attempts that the control plane runs by itself, for short steps')
    .option('--only <processes>', `start only some of ${ROLES.join(', ')}, with commas between`)
    .option('--artifact-root <uri>', 'where new experiments keep their files: mlflow-artifacts:/, file:///… or s3://…')
    .option('--insecure-loopback', 'let in whoever sends from this machine, without credentials, as administrator')
    .action(async (options) => {
      try {
        const config = loadConfig({
          dataDir: options.data,
          host: options.host,
          port: options.port,
          gatewayPort: options.gatewayPort,
          grpcPort: options.grpcPort,
          gatewayProcesses: options.processes,
          workers: options.workers,
          executor: options.executor,
          embeddedSlots: options.embeddedSlots,
          insecureLoopback: options.insecureLoopback,
          artifactRoot: options.artifactRoot,
        });
        const only = rolesIn(options.only);
        const platform = await startPlatform(config, only);
        const stop = (): void => void platform.stop().then(() => process.exit(0));
        process.on('SIGINT', stop);
        process.on('SIGTERM', stop);
        const { console: consoleUrl, gateway, grpc, readyMs, signIn } = platform;
        process.stdout.write(
          [
            `Kedge is ready after ${(readyMs / 1_000).toFixed(1)} s, data in ${platform.dataDir}`,
            `  console and API   ${consoleUrl}`,
            ...(only.includes('gateway') ? [`  scoring, HTTP     ${gateway}`, `  scoring, gRPC     ${grpc}`] : []),
            ...wordsOfAccess(config.insecureLoopback, signIn),
            'Stop it with Ctrl-C.\n',
          ].join('\n'),
        );
      } catch (error) {
        explainFailure(error);
        process.exit(1);
      }
    });
}

function rolesIn(given: string | undefined): readonly Role[] {
  if (given === undefined) return ROLES;
  return given.split(',').map((name) => {
    const role = ROLES.find((one) => one === name.trim());
    if (!role) throw new UsageError(`--only '${name}': expected ${ROLES.join(', ')}`);
    return role;
  });
}

/** How to get in, for as long as nobody has an account; later ones are made with `kedge login --link`. */
function wordsOfAccess(insecure: boolean, signIn: string | undefined): string[] {
  if (insecure) return ['  access            everybody on this machine is administrator (--insecure-loopback)'];
  return signIn === undefined ? [] : [`  sign in           ${signIn} (once, within 15 minutes)`];
}
