import { queryOptions } from '@tanstack/react-query';
import { connect, type Kedge } from '#client';

/** The control plane that served this page. */
export const kedge = connect({ url: '' });

export type Domain = Exclude<keyof Kedge, 'url'>;
type Operation<D extends Domain> = keyof Kedge[D] & string;
type Call<D extends Domain, O extends Operation<D>> = Kedge[D][O] extends (...args: infer Args) => Promise<infer Reply>
  ? { readonly args: Args; readonly reply: Reply }
  : never;

/**
 * A query of one operation of the typed client: `useQuery(read('serving', 'getEndpoint', { params: { endpoint } }))`.
 * Its key starts with the domain, which is what events invalidate.
 */
export function read<const D extends Domain, const O extends Operation<D>>(
  domain: D,
  operation: O,
  ...args: Call<D, O>['args']
) {
  const input = (args as readonly (object | undefined)[])[0];
  const client = kedge[domain] as Readonly<Record<string, (input: object) => Promise<unknown>>>;
  return queryOptions({
    queryKey: [domain, operation, input ?? {}],
    queryFn: ({ signal }) => client[operation]?.({ ...input, signal }) as Promise<Call<D, O>['reply']>,
  });
}
