/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const STATUS = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** How a call ends that is not answered. */
export interface Refusal {
  readonly code: StatusCode;
  readonly details: string;
  /** Names in small letters, and what goes with them. */
  readonly metadata?: readonly (readonly [string, string])[];
}

/** Thrown by what reads a call, for the call to end so. */
export class RpcError extends Error {
  readonly refusal: Refusal;

  constructor(code: StatusCode, details: string, metadata: Refusal['metadata'] = []) {
    super(details);
    this.refusal = { code, details, metadata };
  }
}

/** Of a text that goes into a header: clients take some 8 kB of headers together. */
const DETAILS_LENGTH_MAX = 1_000;

/** A text as `grpc-message` carries it: visible ASCII as it is, all else as the percent-encoded bytes of UTF-8. */
export function encodeDetails(details: string): string {
  const shown = details.slice(0, DETAILS_LENGTH_MAX).toWellFormed();
  return shown.replace(/[^ -$&-~]/gu, encodeURIComponent);
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** Longer than any call goes on, and what a timer of the system still takes. */
const TIMEOUT_MS_MAX = 86_400_000;

/** What the header `grpc-timeout` says, in milliseconds. Throws `INTERNAL`, as gRPC's own servers do. */
export function timeoutMsOf(header: string): number {
  const [, count = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  if (Number.isNaN(ms))
    throw new RpcError(STATUS.INTERNAL, 'grpc-timeout: expected up to 8 digits and H, M, S, m, u or n');
  return Math.min(ms, TIMEOUT_MS_MAX);
}
