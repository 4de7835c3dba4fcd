/** How an attempt failed. */
export const STEP_ERROR_KINDS = [
  /** The step function threw. */
  'threw',
  /** The process ended by itself with another exit code than 0. */
  'exit-code',
  /** A signal that nobody in Kedge sent ended the process. */
  'killed',
  /** The machine ended the process for want of memory; the message says from what that is concluded. */
  'out-of-memory',
  /** The step ran longer than its timeout and was killed. */
  'timeout',
  /** The step ended well but left a declared output unwritten. */
  'missing-output',
  /** The step returned something that is not JSON, or is larger than the limit. */
  'invalid-result',
  /** The process could not be started. */
  'not-started',
  /** The code or an input could not be brought to the worker, or an output not into the blob store. */
  'transfer',
  /** The worker fell silent more often than a step may lose its worker. */
  'worker-lost',
] as const;
export type StepErrorKind = (typeof STEP_ERROR_KINDS)[number];

/** Whether another attempt can end otherwise. A step that ended well but kept its promises badly does so again. */
export function isRetried(kind: StepErrorKind): boolean {
  return kind !== 'missing-output' && kind !== 'invalid-result' && kind !== 'worker-lost';
}
