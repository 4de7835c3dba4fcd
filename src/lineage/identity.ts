import { createHash } from 'node:crypto';

/** The namespace of the names below, drawn once. */
const NAMESPACE = Buffer.from('6f0c2f0d5be84c0c9d0a1f7d3c7be2a4', 'hex');

/**
 * The identifier of a run, or of a step of it, that OpenLineage asks for: a UUID of version 5 (RFC 9562), so that it
 * can be made from Kedge's own wherever that is known, and an event that is told again has the same.
 */
export function openLineageRunId(run: string, step?: string): string {
  const name = step === undefined ? run : `${run}/${step}`;
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
