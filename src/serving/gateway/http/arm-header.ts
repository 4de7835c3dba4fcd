import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gatewayErrors } from '../errors.ts';
import type { LiveEndpoint } from '../live-endpoint.ts';
import type { Instance } from '../read-instance.ts';

/**
 * The arm that the headers of a request name, for those who have a key of the rollout. Without a rollout that has keys
 * the headers say nothing, so that a tester's client works before and after it. Throws `gateway/not-allowed`.
 */
export function armNamed(
  { candidate, routed }: LiveEndpoint,
  { headers }: IncomingMessage,
): Pick<Instance, 'arm' | 'armKey'> | undefined {
  const keys = routed.live?.armKeys;
  if (!candidate || !keys) return undefined;
  const arm = headers['x-kedge-arm'];
  if (arm === undefined) return undefined;
  const key = headers['x-kedge-arm-key'];
  const digest = typeof key === 'string' ? hash('sha256', key, 'hex') : '';
  const known = keys.find(({ sha256 }) => sha256 === digest);
  if (!known) throw gatewayErrors['not-allowed']('x-kedge-arm: the x-kedge-arm-key is none of this rollout');
  if (arm !== 'current' && arm !== 'candidate') {
    throw gatewayErrors['invalid-request']('x-kedge-arm: expected current or candidate');
  }
  return { arm, armKey: known.name };
}
