import { KedgeError, messageOf, wordsOf } from '#core/errors';
import { ProblemError } from '#platform/contract';

/** A mistake in how the command was used, told without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Prints what went wrong in the words of whoever knows best, and says how to go on. The exit code is 1. */
export function explainFailure(error: unknown): void {
  process.stderr.write(`${words(error)}\n`);
  process.exitCode = 1;
}

function words(error: unknown): string {
  if (error instanceof UsageError || error instanceof ProblemError || isToldPlainly(error)) return error.message;
  if (error instanceof KedgeError) return wordsOf(error);
  const cause = (error as { cause?: { code?: string } }).cause;
  if (cause?.code === 'ECONNREFUSED') return 'no control plane answers there: start one with `kedge up`, or give --url';
  return error instanceof Error ? (error.stack ?? messageOf(error)) : String(error);
}

/** Whether an error of another room is a mistake of its user too, and says so by its name. */
function isToldPlainly(error: unknown): error is Error {
  return error instanceof Error && error.name === 'PipelineTestError';
}
