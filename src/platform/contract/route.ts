import type { z } from 'zod';

/**
 * A route is one value. Handler types, validation, OpenAPI, the typed client, the permission table and the audit log
 * all come from it. This folder runs in the browser too.
 */
export interface RouteSpec {
  readonly method: Method;
  /** Path with `:name` for parameters, as in `/api/v1/datasets/:name`. */
  readonly path: `/${string}`;
  /** One line for people, in the imperative. */
  readonly summary: string;
  /**
   * `<domain>:<verb>`, for instance `datasets:read`. A caller without it gets 403. `signed-in` lets everybody in who is
   * known, `public` everybody.
   */
  readonly permission: `${string}:${string}` | 'signed-in' | 'public';
  /**
   * The object that the route is about, as `<kind>/<id>`: with parameters of the path, as in `experiment/:experiment`,
   * or by a function that is declared outside of the route, so that its type does not hang on the route's. The caller
   * must hold the level of the route on it: 404 for an object that they may not see, 403 for too low a level.
   */
  readonly object?: `${string}/:${string}` | ((input: ObjectInput) => `${string}/${string}`);
  /** READ for a permission `…:read` and EDIT for `…:write` unless told. */
  readonly level?: 'READ' | 'USE' | 'EDIT' | 'MANAGE';
  /**
   * The handler itself asks for the level on each object that it touches, as it only then knows which they are. Without
   * this and without `object`, callers need the level on the whole project.
   */
  readonly checksObjects?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The body is bytes of one of these media types, handed to the handler as a stream instead of being parsed. */
  readonly upload?: readonly string[];
  /** Largest body in bytes; 1 MiB unless told. */
  readonly bodyBytesMax?: number;
  readonly reply: z.ZodType;
  /** Stable codes of the errors a caller should expect beside those every route has. */
  readonly errors?: readonly string[];
  /** `<noun>.<verb>`: what the audit log calls this change. Every route that is not a GET has one. */
  readonly audit?: string;
}

/** What a function is told that says which object a request is about: its parts after validation. */
export interface ObjectInput {
  readonly params: Readonly<Record<string, string | number>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A mutating route without an audit action does not compile. */
type Audited<Spec extends RouteSpec> = Spec['method'] extends 'GET' ? unknown : { readonly audit: string };

/** Declares a route. */
export function route<const Spec extends RouteSpec>(spec: Spec & Audited<Spec>): Spec {
  return spec;
}

export type Route = RouteSpec;
export type Contract = Readonly<Record<string, RouteSpec>>;

/** Declares the routes of a domain by the name of their operation. */
export function contract<const Routes extends Contract>(routes: Routes): Routes {
  return routes;
}

type Part<Name extends string, Schema> = Schema extends z.ZodType
  ? { readonly [K in Name]: z.output<Schema> }
  : unknown;
type ClientPart<Name extends string, Schema> = Schema extends z.ZodType
  ? undefined extends z.input<Schema>
    ? { readonly [K in Name]?: z.input<Schema> }
    : Record<never, never> extends z.input<Schema>
      ? { readonly [K in Name]?: z.input<Schema> }
      : { readonly [K in Name]: z.input<Schema> }
  : unknown;

/** What a handler receives. */
export type Input<Spec extends RouteSpec> = Part<'params', Spec['params']> &
  Part<'query', Spec['query']> &
  Part<'body', Spec['body']> &
  (Spec['upload'] extends readonly string[] ? { readonly upload: Upload } : unknown);

/** What a caller of the typed client passes. */
export type ClientInput<Spec extends RouteSpec> = ClientPart<'params', Spec['params']> &
  ClientPart<'query', Spec['query']> &
  ClientPart<'body', Spec['body']> &
  (Spec['upload'] extends readonly string[]
    ? { readonly upload: { readonly contentType: string; readonly bytes: Uint8Array<ArrayBuffer> } }
    : unknown);

export interface Upload {
  readonly contentType: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export type Reply<Spec extends RouteSpec> = z.output<Spec['reply']>;

/** One function per route. `Ctx` is what the platform knows of the request: actor, audit action, cancellation. */
export type Handlers<Routes extends Contract, Ctx> = {
  readonly [Name in keyof Routes]: (input: Input<Routes[Name]>, ctx: Ctx) => Promise<z.input<Routes[Name]['reply']>>;
};

/** RFC 9457 problem details, as every error of the platform's own API is answered. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance?: string;
  readonly fields?: readonly { readonly path: string; readonly message: string }[];
}
