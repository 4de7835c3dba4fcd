import type { LiveEndpoint } from '../live-endpoint.ts';
import type { Exchange } from './http-io.ts';

/** Refuses a request before its body is read, where it is known that it would be refused after. True when it was. */
export function refusedEarly(
  endpoint: LiveEndpoint | undefined,
  { request, caller }: Pick<Exchange, 'request' | 'caller'>,
  fail: (error: unknown) => void,
): boolean {
  try {
    endpoint?.protection?.glance(caller);
    return false;
  } catch (error) {
    request.discardBody();
    fail(error);
    return true;
  }
}
