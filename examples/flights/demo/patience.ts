/**
 * How the demo waits. Any process of the platform may be killed and started again at any moment, so the demo asks until
 * it is answered, and everything it asks for is harmless when it is asked for twice. Every wait has a name and an end.
 */

/** A process is back within seconds; what takes longer than this does not come back. */
export const ANSWER_WITHIN_MS = 120_000;

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 100;

/** Asks again and again until there is an answer. `what` says what was waited for when none comes. */
export async function until<T>(
  what: string | (() => string),
  ask: () => Promise<T | undefined>,
  withinMs = ANSWER_WITHIN_MS,
): Promise<T> {
  const startedAt = performance.now();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 1.2 * pauseMs)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() - startedAt > withinMs) {
      throw new Error(`waited ${withinMs / 1_000} s in vain for ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * Does what the platform refuses to do twice. An answer can be lost on its way, and the repeated request is then
 * refused; so after a refusal it is looked whether the thing is done.
 */
export async function unlessDone(act: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
  try {
    await act();
  } catch (refusal) {
    if (!(await isDone())) throw refusal;
  }
}
