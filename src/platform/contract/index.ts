export { type Client, type ClientOptions, createClient, ProblemError } from './client.ts';
export {
  type Contract,
  contract,
  type Handlers,
  type Input,
  type Method,
  type ObjectInput,
  type Problem,
  type Reply,
  type Route,
  type RouteSpec,
  route,
  type Upload,
} from './route.ts';
export { nameSchema, type Page, pageOf, pageQuery } from './shapes.ts';
