export { openApi } from './openapi.ts';
export type { ForeignProtocol, ForeignReply, ForeignRequest, ForeignRoute, ProtocolGroup } from './protocol.ts';
export { type RequestContext, whoSends } from './sender.ts';
export { type HttpServer, openHttpServer, type RouteGroup, routeGroup } from './server.ts';
