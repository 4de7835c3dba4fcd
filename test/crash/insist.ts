import { setTimeout as pause } from 'node:timers/promises';
import { ProblemError } from '#platform/contract';

const GIVE_UP_AFTER_MS = 60_000;
/** Answers that a process gives on behalf of another one that is down. */
const PASSING: readonly number[] = [502, 503, 504];

/** A refusal of a gateway, which has no client of its own in the SDK. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`the gateway answered ${status}: ${text}`);
    this.status = status;
  }
}

/**
 * Asks again while connections break off or are refused, as the client of a service that is being started again does.
 * Any other error answer is thrown at once: a restart must not show itself as one.
 */
export async function insist<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + GIVE_UP_AFTER_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const status = statusOf(error);
      if (status !== undefined && !PASSING.includes(status)) throw error;
      if (performance.now() > giveUpAt)
        throw new Error(`${what}: no answer in ${GIVE_UP_AFTER_MS} ms`, { cause: error });
    }
    await pause(Math.min(200, 10 * 2 ** attempt));
  }
}

/** Undefined when there was no answer, or only a part of one. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof ProblemError) return error.problem.status;
  if (error instanceof Refused) return error.status;
  return undefined;
}
