import type { FastifyReply, FastifyRequest } from 'fastify';
import { assert } from '#core/assert';
import type { RequestContext } from './sender.ts';

/** The request and reply beneath a context: for the few handlers that read or set cookies. */
export interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

const exchanges = new WeakMap<RequestContext, Exchange>();

export function rememberExchange(ctx: RequestContext, exchange: Exchange): void {
  exchanges.set(ctx, exchange);
}

export function exchangeOf(ctx: RequestContext): Exchange {
  const exchange = exchanges.get(ctx);
  assert(exchange !== undefined, 'the context is that of a request');
  return exchange;
}
