import { hash } from 'node:crypto';
import { gatewayErrors } from './errors.ts';
import { armNames, type LiveEndpoint } from './live-endpoint.ts';
import type { Instance } from './read-instance.ts';

/** The arm that a request asks for with a key, by its HTTP headers or the metadata of its gRPC call. */
export interface ArmAsked {
  readonly arm: string;
  readonly key: string | undefined;
}

/** What the headers `x-kedge-arm` and `x-kedge-arm-key` ask for; `undefined` where they name no arm. */
export function armAsked(headerOf: (name: string) => string | readonly string[] | undefined): ArmAsked | undefined {
  const arm = headerOf('x-kedge-arm');
  if (arm === undefined) return undefined;
  const key = headerOf('x-kedge-arm-key');
  return { arm: String(arm), key: typeof key === 'string' ? key : undefined };
}

/**
 * The arm that a request gets because it asks for it with a key of the rollout. Without a rollout that has keys it gets
 * what it would get anyway, so that a tester's client works before and after it. Throws `gateway/not-allowed`.
 */
export function namedArm(
  endpoint: LiveEndpoint,
  asked: ArmAsked | undefined,
): Pick<Instance, 'arm' | 'armKey'> | undefined {
  const keys = endpoint.routed.live?.armKeys;
  if (!asked || !keys) return undefined;
  const names = armNames(endpoint);
  if (names.length < 2) return undefined;
  const { arm, key } = asked;
  const digest = key === undefined ? '' : hash('sha256', key, 'hex');
  const known = keys.find(({ sha256 }) => sha256 === digest);
  if (!known) throw gatewayErrors['not-allowed']('x-kedge-arm: the x-kedge-arm-key is none of this rollout');
  if (!names.includes(arm)) throw gatewayErrors['invalid-request'](`x-kedge-arm: expected ${names.join(' or ')}`);
  return { arm, armKey: known.name };
}
