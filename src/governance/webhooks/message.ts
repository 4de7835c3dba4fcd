import { webhookSignature } from '#core/webhook-signature';
import type { Happening, HappeningName } from './happenings.ts';

/**
 * The body of a message, as MLflow sends it: `{"entity", "action", "timestamp", "data"}`. `at` is in epoch
 * milliseconds.
 */
export function bodyOf({ name, data }: Happening, at: number): string {
  const [entity, action] = partsOf(name);
  return JSON.stringify({ entity, action, timestamp: new Date(at).toISOString(), data });
}

/**
 * The headers of a message by MLflow's scheme, which is that of Standard Webhooks under other names.
 */
export function headersOf(
  { id, body }: { readonly id: string; readonly body: string },
  { secret, at }: { readonly secret: string | null; readonly at: number },
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'kedge-webhooks',
    'X-MLflow-Delivery-Id': id,
    'X-MLflow-Timestamp': timestamp,
  };
  if (secret === null) return headers;
  return { ...headers, 'X-MLflow-Signature': webhookSignature({ id, timestamp, body }, secret) };
}

/** `model_version_tag.set` is the action `set` of the entity `model_version_tag`. */
export function partsOf(name: HappeningName): readonly [entity: string, action: string] {
  const at = name.indexOf('.');
  return [name.slice(0, at), name.slice(at + 1)];
}
