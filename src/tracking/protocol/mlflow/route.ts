import type { z } from 'zod';
import type { KedgeError } from '#core/errors';
import type { Method } from '#platform/contract';
import type { ForeignRequest, ForeignRoute, RequestContext } from '#platform/http';
import { mlflowErrors } from './errors.ts';
import { jsonReply } from './protocol.ts';
import { REQUIRED, wire } from './wire.ts';

interface MlflowRouteBase<Shape extends z.ZodRawShape> {
  /** Names the operation in traces, such as `runs.create`. */
  readonly name: string;
  /** 2 for `/api/2.0/mlflow`, 3 for `/api/3.0/mlflow`. */
  readonly major: 2 | 3;
  readonly method: Method;
  /** Below `/api/<major>.0/mlflow/`, such as `runs/create` or `logged-models/:model_id`. */
  readonly path: string;
  readonly permission: `${string}:${string}` | 'signed-in';
  /** The fields of the request, wherever they come from: path, query of a GET, body of all others. See {@link wire}. */
  readonly input: Shape;
  readonly bodyBytesMax?: number;
  /** Of a success, 200 unless told. Nothing is sent with 204. */
  readonly status?: 201 | 204;
  /** Answers the message as a plain object. Properties that are undefined are left out. */
  handler(input: z.output<z.ZodObject<Shape>>, ctx: RequestContext): Promise<object>;
}

type MlflowRouteSpec<Shape extends z.ZodRawShape> = MlflowRouteBase<Shape> &
  ({ readonly reads: true } | { readonly audit: string });

/** A JSON route of MLflow's under `/api` and `/ajax-api`, with MLflow's own words for an input that does not fit. */
export function mlflowRoute<const Shape extends z.ZodRawShape>(spec: MlflowRouteSpec<Shape>): ForeignRoute {
  const { name, major, method, path, permission, input, handler, bodyBytesMax, status, ...kind } = spec;
  const schema = wire.message(input);
  return {
    ...kind,
    name: `mlflow.${name}`,
    method,
    paths: [`/api/${major}.0/mlflow/${path}`, `/ajax-api/${major}.0/mlflow/${path}`],
    permission,
    takes: 'json',
    ...(bodyBytesMax === undefined ? {} : { bodyBytesMax }),
    async handler(request, ctx) {
      const value = inputOf(request, method);
      const parsed = schema.safeParse(value);
      if (!parsed.success) throw refusal(parsed.error, value);
      const reply = jsonReply(await handler(parsed.data, ctx));
      return status === undefined ? reply : { ...reply, status, body: status === 204 ? '' : reply.body };
    },
  };
}

/** The fields of a request. A body of null stands for none, and JSON inside a JSON text is what older clients send. */
function inputOf({ params, query, body }: ForeignRequest, method: Method): Record<string, unknown> {
  const value = typeof body === 'string' ? parsedText(body) : (body ?? {});
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE('The body is not a JSON object.');
  }
  return { ...(method === 'GET' ? queried(query) : {}), ...withoutNulls(value), ...decoded(params) };
}

function parsedText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw mlflowErrors.BAD_REQUEST('The body is not JSON.');
  }
}

function queried(query: URLSearchParams): Record<string, unknown> {
  const values = [...new Set(query.keys())].map((key) => {
    const all = query.getAll(key);
    return [key, all.length === 1 ? all[0] : all] as const;
  });
  return Object.fromEntries(values);
}

function decoded(params: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(params).filter(([name]) => name !== '*'));
}

/** No message of MLflow's is nested deeper, and what is could exhaust the stack. */
const DEPTH_MAX = 50;

/** Null stands for a field that is not set. */
function withoutNulls(value: object, depth = 0): Record<string, unknown> {
  const entries = Object.entries(value)
    .filter(([, item]) => item !== null)
    .map(([key, item]) => [key, cleared(item, depth + 1)] as const);
  return Object.fromEntries(entries);
}

function cleared(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEPTH_MAX) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE(`The body is nested deeper than ${DEPTH_MAX} levels.`);
  }
  return Array.isArray(value) ? value.map((item) => cleared(item, depth + 1)) : withoutNulls(value, depth);
}

const SEE = 'See the API docs for more information about request parameters.';
const SHOWN_MAX = 500;

/** The first thing that is wrong, in the words that MLflow's clients and tools look for. */
function refusal(error: z.ZodError, input: unknown): KedgeError {
  const issue = error.issues[0];
  const path = pathOf(issue?.path ?? []);
  const value = valueAt(input, issue?.path ?? []);
  if (value === undefined || issue?.message === REQUIRED) {
    return mlflowErrors.INVALID_PARAMETER_VALUE(`Missing value for required parameter '${path}'. ${SEE}`);
  }
  return invalidValue(path, value, issue?.message);
}

/** `Invalid value <json> for parameter '<path>' supplied: <why>`, which clients match on. */
export function invalidValue(path: string, value: unknown, why?: string): KedgeError {
  const json = JSON.stringify(value) ?? 'null';
  const shown = json.length > SHOWN_MAX ? `${json.slice(0, SHOWN_MAX)}…` : json;
  const hint = why === undefined ? '.' : `: ${why}.`;
  return mlflowErrors.INVALID_PARAMETER_VALUE(`Invalid value ${shown} for parameter '${path}' supplied${hint} ${SEE}`);
}

/** `metrics[0].name`, as MLflow writes where something lies. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
