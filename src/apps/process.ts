import { KedgeError, messageOf, wordsOf } from '#core/errors';
import { realSystem, type System } from '#core/system';
import { type Config, loadConfig } from '#platform/config';
import { createLogger, createMetrics, type Logger, type Metrics, startTracing } from '#platform/observe';
import { type DataDir, openDataDir } from './data-dir.ts';

/** What every process of Kedge has: configuration, time and chance, log, metrics, its data directory. */
export interface ProcessBase {
  readonly role: string;
  readonly config: Config;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly dataDir: DataDir;
}

export interface RunningProcess {
  /** Told to the supervisor, for instance the address that the process listens on. */
  readonly ready: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** What a child sends to its supervisor. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly ready: Readonly<Record<string, string>>;
}

const STOP_WITHIN_MS = 8_000;

/**
 * Runs a process from start to end: starts it, tells the supervisor, and stops it cleanly on SIGTERM, SIGINT or when
 * the supervisor is gone. A failed start ends with a message and exit code 1; an expected failure without a stack.
 */
export async function runProcess(role: string, start: (base: ProcessBase) => Promise<RunningProcess>): Promise<void> {
  try {
    const config = loadConfig();
    const logger = createLogger(role, config.logLevel);
    const stopTracing = config.otlpEndpoint ? await startTracing(role, config.otlpEndpoint) : async () => {};
    const base = {
      role,
      config,
      system: realSystem(),
      logger,
      metrics: createMetrics(role),
      dataDir: openDataDir(config.dataDir),
    };
    const running = await start(base);
    stopOnSignal(base, async () => {
      await running.stop();
      await stopTracing();
    });
    process.send?.({ type: 'ready', ready: running.ready } satisfies ReadyMessage);
  } catch (error) {
    process.stderr.write(`kedge ${role} cannot start: ${wordsFor(error)}\n`);
    process.exit(1);
  }
}

/** An expected failure in a sentence; anything else with its stack, as it is a bug. */
function wordsFor(error: unknown): string {
  if (error instanceof KedgeError) return wordsOf(error);
  const { code, address, port, stack } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE') return `${address}:${port} is taken by another program: choose another port`;
  if (code === 'EACCES' && port !== undefined) return `port ${port} may not be used by this user: choose another port`;
  return stack ?? String(error);
}

function stopOnSignal({ logger, system }: ProcessBase, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.debug({ reason }, 'stopping');
    system.clock.after(STOP_WITHIN_MS, () => process.exit(1));
    stop().then(
      () => process.exit(0),
      (error) => {
        logger.error({ err: error }, `did not stop cleanly: ${messageOf(error)}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  if (process.send) process.on('disconnect', () => end('the supervisor is gone'));
}
