/** A broken invariant: a bug in Kedge, never the fault of a caller. It is not caught and answered, it is reported. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws {@link AssertionError} unless `condition` holds. Use it for invariants; use an error table for bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types prove impossible, so that a new union member breaks the build, not production. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable value: ${String(value)}`);
}
