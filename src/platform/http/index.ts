export { openApi } from './openapi.ts';
export {
  type HttpServer,
  openHttpServer,
  type RequestContext,
  type RouteGroup,
  routeGroup,
  whoSends,
} from './server.ts';
