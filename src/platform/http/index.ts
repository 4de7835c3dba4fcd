export { cookieOf, SESSION_COOKIE } from './credentials.ts';
export { type Exchange, exchangeOf } from './exchange.ts';
export { localClient } from './local-client.ts';
export { openApi } from './openapi.ts';
export { invalidInput } from './problem.ts';
export type { ForeignProtocol, ForeignReply, ForeignRequest, ForeignRoute, ProtocolGroup } from './protocol.ts';
export type { RequestContext } from './sender.ts';
export { type HttpServer, openHttpServer, type RouteGroup, routeGroup, type ServedRoute } from './server.ts';
