import type { Clock } from '#core/clock';
import type { Logger } from '#platform/observe';
import { LOG_TEXT_MAX, type LogLine } from '../live/observation.ts';

const LINES_KEPT = 500;

/** The newest warnings and errors of a gateway, for what is reported of a rollout. */
export class RecentLog {
  readonly #clock: Pick<Clock, 'now'>;
  #lines: LogLine[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Lines of `[from, to)`, the newest of them, oldest first. */
  between(from: number, to: number, limit: number): readonly LogLine[] {
    return this.#lines.filter(({ at }) => at >= from && at < to).slice(-limit);
  }

  /** The logger, with its warnings and errors remembered here. Those of children are not: they belong to others. */
  remembering(logger: Logger): Logger {
    const noting =
      (level: LogLine['level']): Logger['warn'] =>
      (...args: readonly unknown[]) => {
        this.#note(level, args);
        Reflect.apply(logger[level], logger, args);
      };
    return {
      debug: logger.debug.bind(logger),
      info: logger.info.bind(logger),
      child: logger.child.bind(logger),
      ...{ warn: noting('warn'), error: noting('error'), fatal: noting('fatal') },
    };
  }

  #note(level: LogLine['level'], [first, second]: readonly unknown[]): void {
    const message = typeof first === 'string' ? first : typeof second === 'string' ? second : '';
    const fields = Object.entries(typeof first === 'object' && first !== null ? first : {}).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' ? `${name}=${value}` : [],
    );
    const text = [message, ...fields].join(' ').slice(0, LOG_TEXT_MAX);
    this.#lines.push({ at: this.#clock.now(), level, text });
    if (this.#lines.length > LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT / 2);
  }
}
