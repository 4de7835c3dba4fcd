import { invalidField } from '../errors.ts';
import type { QueueWish } from './batch-policy.ts';

const TIMEOUT_MS_MAX = 86_400_000;
const PRIORITY_MAX = 1_000_000;

/**
 * What the parameters of a request ask of the queue, as Triton's clients send them: `priority`, and `timeout` in
 * microseconds, 0 for none. Throws `gateway/invalid-request`.
 */
export function wishOf({ priority, timeout }: Readonly<Record<string, unknown>>): QueueWish | undefined {
  if (priority === undefined && timeout === undefined) return undefined;
  const us = wholeNumber(timeout, 'parameters.timeout', TIMEOUT_MS_MAX * 1_000);
  return {
    priority: wholeNumber(priority, 'parameters.priority', PRIORITY_MAX),
    timeoutMs: us === undefined ? undefined : us / 1_000,
  };
}

/** The same of requests that have no parameters, by their headers. Throws `gateway/invalid-request`. */
export function wishOfHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): QueueWish | undefined {
  const { 'x-kedge-priority': priority, 'x-kedge-queue-timeout-ms': timeout } = headers;
  if (priority === undefined && timeout === undefined) return undefined;
  return {
    priority: wholeNumber(numberOf(priority), 'x-kedge-priority', PRIORITY_MAX),
    timeoutMs: wholeNumber(numberOf(timeout), 'x-kedge-queue-timeout-ms', TIMEOUT_MS_MAX),
  };
}

function numberOf(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  return /^\d{1,16}$/.test(String(header)) ? Number(header) : Number.NaN;
}

function wholeNumber(value: unknown, path: string, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw invalidField(path, `expected a whole number from 0 to ${max}`);
}
