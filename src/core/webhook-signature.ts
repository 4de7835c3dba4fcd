import { createHmac } from 'node:crypto';

export interface SignedMessage {
  /** The same each time the message is sent, so that a receiver tells repetitions. */
  readonly id: string;
  /** Whole seconds since the epoch, of this attempt. */
  readonly timestamp: string;
  readonly body: string;
}

/**
 * The signature of Standard Webhooks (standardwebhooks.com), which MLflow's webhooks have too: `v1,` and the base64 of
 * HMAC-SHA256 under the secret over `<id>.<timestamp>.<body>`.
 */
export function webhookSignature({ id, timestamp, body }: SignedMessage, secret: string): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
