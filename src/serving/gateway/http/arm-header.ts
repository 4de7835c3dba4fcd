import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gatewayErrors } from '../errors.ts';
import { armNames, type LiveEndpoint } from '../live-endpoint.ts';
import type { Instance } from '../read-instance.ts';

/**
 * The arm that the headers of a request name, for those who have a key of the rollout. Without a rollout that has keys
 * the headers say nothing, so that a tester's client works before and after it. Throws `gateway/not-allowed`.
 */
export function armNamed(
  endpoint: LiveEndpoint,
  { headers }: IncomingMessage,
): Pick<Instance, 'arm' | 'armKey'> | undefined {
  const keys = endpoint.routed.live?.armKeys;
  const names = armNames(endpoint);
  if (names.length < 2 || !keys) return undefined;
  const arm = headers['x-kedge-arm'];
  if (arm === undefined) return undefined;
  const key = headers['x-kedge-arm-key'];
  const digest = typeof key === 'string' ? hash('sha256', key, 'hex') : '';
  const known = keys.find(({ sha256 }) => sha256 === digest);
  if (!known) throw gatewayErrors['not-allowed']('x-kedge-arm: the x-kedge-arm-key is none of this rollout');
  if (typeof arm !== 'string' || !names.includes(arm)) {
    throw gatewayErrors['invalid-request'](`x-kedge-arm: expected ${names.join(' or ')}`);
  }
  return { arm, armKey: known.name };
}
