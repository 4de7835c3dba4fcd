import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far the time of a request may be from ours, either way. */
export const REPLAY_MS = 5 * 60_000;
const ID_LENGTH_MAX = 200;

export interface SignedRequest {
  readonly id: string;
  /** Seconds since the epoch, as it was sent. */
  readonly timestamp: string;
  /** One or more `v1,<base64>`, with spaces between. */
  readonly signature: string;
  readonly body: Uint8Array;
}

/**
 * Why a request is refused; undefined when it is genuine and recent. The scheme is that of Standard Webhooks, as
 * Kedge's own webhooks are signed: HMAC-SHA256 under the secret over `<id>.<timestamp>.<body>`.
 */
export function refusalOf(request: SignedRequest, secret: string, now: number): string | undefined {
  const { id, timestamp, signature, body } = request;
  if (id === '' || id.length > ID_LENGTH_MAX) return `webhook-id: expected 1 to ${ID_LENGTH_MAX} characters`;
  if (!/^\d{1,12}$/.test(timestamp)) return 'webhook-timestamp: expected seconds since the epoch';
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest();
  const isGenuine = signature.split(' ').some((part) => {
    const given = part.startsWith('v1,') ? Buffer.from(part.slice(3), 'base64') : Buffer.alloc(0);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!isGenuine) return 'webhook-signature: no signature of the body under the secret of this trigger';
  if (Math.abs(now - Number(timestamp) * 1_000) > REPLAY_MS) return 'webhook-timestamp: more than 5 minutes from now';
  return undefined;
}
