import { type Logger as Pino, pino } from 'pino';

export type Logger = Pick<Pino, 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child'>;

/** JSON lines on standard error, each with the process's role. Standard output is kept for what a command answers. */
export function createLogger(role: string, level: string): Logger {
  return pino(
    { level, base: { role }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}
