import { assert } from '#core/assert';
import type { System } from '#core/system';
import { DEFAULT_PROJECT, objectAccess } from '#platform/access';
import { type Client, type Contract, ProblemError, type RouteSpec } from '#platform/contract';
import type { Actor } from '#platform/db';
import type { Logger } from '#platform/observe';
import { part } from './input.ts';
import { problemOf } from './problem.ts';
import type { RouteGroup } from './server.ts';

export interface LocalClientOptions {
  readonly groups: readonly RouteGroup[];
  /** In whose name the handlers run. What the actor may do is not asked: the caller is part of the platform. */
  readonly actor: Actor;
  readonly system: System;
  readonly logger: Logger;
}

interface LocalInput {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/**
 * A client of routes that are served by this very process. Input is validated, and errors are answered, as over HTTP:
 * {@link ProblemError} for each. A call that is aborted rejects at once; what it began goes on.
 */
export function localClient<const Routes extends Contract>(
  routes: Routes,
  options: LocalClientOptions,
): Client<Routes> {
  const group = options.groups.find((one) => one.routes === routes);
  assert(group, 'these routes are not served by this process');
  const callOf = (name: string, spec: RouteSpec) => {
    const handler = group.handlers[name];
    assert(handler, `the route ${name} has no handler`);
    return (input: LocalInput = {}) => untilAborted(input.signal, () => call({ name, spec, handler }, input, options));
  };
  const entries = Object.entries(routes).map(([name, spec]) => [name, callOf(name, spec)]);
  return Object.fromEntries(entries) as Client<Routes>;
}

async function call(
  { name, spec, handler }: { readonly name: string; readonly spec: RouteSpec; readonly handler: Handler },
  { params, query, body }: LocalInput,
  { actor, system, logger }: LocalClientOptions,
): Promise<unknown> {
  const requestId = system.ids.next('req');
  const project = DEFAULT_PROJECT;
  const context = { actor, action: spec.audit ?? name, requestId, project, access: objectAccess(actor, project) };
  try {
    const input = {
      ...part('params', spec.params, params),
      ...part('query', spec.query, query),
      ...part('body', spec.body, body),
    };
    return await handler(input as never, context);
  } catch (error) {
    const problem = problemOf(error, requestId);
    if (problem.status >= 500) logger.error({ err: error, requestId, route: name }, 'request failed');
    throw new ProblemError(problem);
  }
}

type Handler = RouteGroup['handlers'][string];

function untilAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    const over = (): void => signal.removeEventListener('abort', abort);
    work().then(resolve, reject).finally(over);
  });
}
