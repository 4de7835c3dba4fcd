import type { StepState } from './model.ts';

/** Whether the time is over that a step has for all its attempts. */
export function isOverdue({ deadlineAt }: StepState, now: number): boolean {
  return deadlineAt !== null && now >= deadlineAt;
}

export function overdueWords({ withinMs, reason }: StepState): string {
  const words = `timeout: no attempt succeeded within the ${withinMs} ms that the step has`;
  return reason === null ? words : `${words}; before: ${reason}`;
}

/** How long an attempt that starts at a time may run: its own timeout, and what is left to its step. */
export function attemptMsOf(timeoutMs: number, deadlineAt: number | null, startedAt: number): number {
  return deadlineAt === null ? timeoutMs : Math.max(1, Math.min(timeoutMs, deadlineAt - startedAt));
}
