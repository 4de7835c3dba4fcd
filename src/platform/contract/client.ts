import type { ClientInput, Contract, Problem, Reply, RouteSpec } from './route.ts';

export type Client<Routes extends Contract> = {
  readonly [Name in keyof Routes]: (
    ...args: Record<never, never> extends ClientInput<Routes[Name]>
      ? [input?: ClientInput<Routes[Name]> & CallOptions]
      : [input: ClientInput<Routes[Name]> & CallOptions]
  ) => Promise<Reply<Routes[Name]>>;
};

interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ClientOptions {
  /** Such as `http://127.0.0.1:4600`; empty in the console, which lives on the same origin. */
  readonly baseUrl: string;
  readonly token?: string | undefined;
  /** Which project requests are in; `default` unless told. */
  readonly project?: string | undefined;
  readonly fetch?: typeof fetch;
}

/** An error that the server answered, with its stable code. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    const fields = problem.fields?.map((field) => `\n  ${field.path}: ${field.message}`).join('') ?? '';
    super(`${problem.detail || problem.title} [${problem.code}]${fields}`);
    this.problem = problem;
  }

  get code(): string {
    return this.problem.code;
  }
}

/** A client with one method a route, typed from the contract. Throws {@link ProblemError} for every error reply. */
export function createClient<const Routes extends Contract>(routes: Routes, options: ClientOptions): Client<Routes> {
  const call = (spec: RouteSpec) => (input?: AnyInput) => request(spec, input ?? {}, options);
  return Object.fromEntries(
    Object.entries(routes).map(([name, spec]) => [name, call(spec)]),
  ) as unknown as Client<Routes>;
}

interface AnyInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly upload?: { readonly contentType: string; readonly bytes: Uint8Array<ArrayBuffer> };
  readonly signal?: AbortSignal;
}

async function request(spec: RouteSpec, input: AnyInput, options: ClientOptions): Promise<unknown> {
  const response = await (options.fetch ?? fetch)(options.baseUrl + pathOf(spec, input), {
    method: spec.method,
    headers: {
      accept: 'application/json',
      ...(input.upload ? { 'content-type': input.upload.contentType } : {}),
      ...(input.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      ...(options.project ? { 'x-mlflow-workspace': options.project } : {}),
    },
    ...(input.upload ? { body: input.upload.bytes } : {}),
    ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
    ...(input.signal ? { signal: input.signal } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new ProblemError(problemOf(response, text));
  return JSON.parse(text);
}

function pathOf(spec: RouteSpec, input: AnyInput): string {
  const path = spec.path.replace(/:([a-zA-Z]+)/g, (_, name: string) =>
    encodeURIComponent(String(input.params?.[name])),
  );
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function problemOf(response: Response, text: string): Problem {
  try {
    const body = JSON.parse(text) as Problem;
    if (typeof body.code === 'string') return body;
  } catch {
    // The body is not JSON: something between us and Kedge answered. The status is all there is to tell.
  }
  const detail = `${response.url} answered ${response.status}: ${text.slice(0, 300)}`;
  return { type: 'about:blank', title: response.statusText, status: response.status, detail, code: 'http/unexpected' };
}
