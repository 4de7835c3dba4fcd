import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { tokenAuthenticator } from '#platform/access';
import type { Contract, Problem, RouteSpec } from '#platform/contract';
import { type HttpServer, openHttpServer, type RouteGroup } from '#platform/http';
import { createLogger, createMetrics } from '#platform/observe';

const ADMIN = 'admin-token';
const NOBODY = 'token-without-a-role';
const BODY_BYTES_MAX = 1_048_576;

interface Sent {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
}

interface Answer {
  readonly status: number;
  readonly problem: Partial<Problem>;
}

/**
 * Registers what every route must keep, whatever it does: nobody without a token or the permission gets in, nothing
 * from another origin, and input that does not fit is refused by the path of a field. Requests go over real sockets.
 */
export function fuzzRoutes(name: string, groups: readonly RouteGroup[]): void {
  describe(name, () => {
    let server: HttpServer;
    let port = 0;
    before(async () => {
      server = openServer(groups);
      port = Number(new URL(await server.listen('127.0.0.1', 0)).port);
    });
    after(() => server.close());
    const send = (method: string, path: string, sent: Sent = {}) => exchange(port, { method, path, ...sent });
    for (const { routes } of groups) {
      for (const [operation, spec] of Object.entries(routes)) {
        describe(`${operation}: ${spec.method} ${spec.path}`, () => {
          accessCases(spec, send);
          inputCases(spec, send);
        });
      }
    }
  });
}

/** The routes of contracts with handlers that only answer that they were reached. */
export function stubbed(contracts: readonly Contract[]): RouteGroup[] {
  return contracts.map((routes) => ({
    routes,
    handlers: Object.fromEntries(Object.keys(routes).map((name) => [name, async () => ({ reached: name })])),
  }));
}

type Send = (method: string, path: string, sent?: Sent) => Promise<Answer>;

function openServer(groups: readonly RouteGroup[]): HttpServer {
  const actors = new Map([
    [ADMIN, { id: 'user:admin', roles: ['admin'] }],
    [NOBODY, { id: 'user:nobody', roles: [] }],
  ]);
  return openHttpServer({
    groups,
    authenticator: tokenAuthenticator(actors),
    system: { clock: new ManualClock(), ids: sequenceIds(), random: seededRandom(1) },
    logger: createLogger('test', 'silent'),
    metrics: createMetrics('test'),
  });
}

function exchange(port: number, sent: Sent & { readonly method: string; readonly path: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(sent.body === undefined ? {} : { 'content-type': 'application/json', 'content-length': sent.body.length }),
      ...(sent.token === undefined ? {} : { authorization: `Bearer ${sent.token}` }),
      ...sent.headers,
    };
    const { method, path } = sent;
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const isProblem = response.headers['content-type']?.startsWith('application/problem+json');
        const problem = isProblem ? JSON.parse(Buffer.concat(chunks).toString()) : {};
        resolve({ status: response.statusCode ?? 0, problem });
      });
    });
    // A server that refuses a body before it has come whole may close the connection under the rest of it.
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return;
      reject(error);
    });
    request.end(sent.body);
  });
}

function accessCases(spec: RouteSpec, send: Send): void {
  const path = plausiblePath(spec);

  test('is closed without a token, with a wrong one, and without the permission', async () => {
    const anonymous = await send(spec.method, path);
    const unknown = await send(spec.method, path, { token: 'no such token' });
    const basic = await send(spec.method, path, { headers: { authorization: 'Basic YTpi' } });
    const forbidden = await send(spec.method, path, { token: NOBODY });

    for (const answer of [anonymous, unknown, basic]) assertProblem(answer, 401, 'access/unauthenticated');
    assertProblem(forbidden, 403, 'access/forbidden');
    assert.ok(forbidden.problem.detail?.includes(spec.permission));
  });

  test('refuses requests from other origins and under other names', async () => {
    const evil = await send(spec.method, path, { token: ADMIN, headers: { origin: 'https://evil.example' } });
    const opaque = await send(spec.method, path, { token: ADMIN, headers: { origin: 'null' } });
    const rebound = await send(spec.method, path, { token: ADMIN, headers: { host: 'evil.example' } });

    for (const answer of [evil, opaque, rebound]) assertProblem(answer, 403, 'http/cross-origin');
  });

  test('is the only thing near its address', async () => {
    const beside = await send(spec.method, `${path}/no/such/route`, { token: ADMIN });
    const trace = await send('TRACE', path, { token: ADMIN });

    assertProblem(beside, 404, 'http/not-found');
    assert.ok(trace.status === 404 || trace.status === 405, `TRACE answered ${trace.status}`);
  });

  if (spec.method !== 'GET') {
    test('says what the audit log calls its change', () => {
      assert.match(spec.audit ?? '', /^[a-z-]+\.[a-z-]+$/);
    });
  }
}

function inputCases(spec: RouteSpec, send: Send): void {
  const path = plausiblePath(spec);
  const json = (value: unknown) => JSON.stringify(value);

  for (const [name, field] of Object.entries(spec.params?.shape ?? {})) {
    const bad = ODD_TEXTS.find(
      (text) => text !== '' && !spec.params?.safeParse({ ...sample(spec), [name]: text }).success,
    );
    if (bad === undefined || !field) continue;
    test(`names the parameter ${name} that does not fit`, async () => {
      const odd = spec.path.replace(/:([a-zA-Z]+)/g, (_, other: string) =>
        encodeURIComponent(other === name ? bad : sampleOf(spec, other)),
      );
      assertRefused(await send(spec.method, odd, { token: ADMIN, body: spec.body && '{}' }), 'params');
    });
  }

  for (const [name, field] of Object.entries(spec.query?.shape ?? {})) {
    const bad = ODD_TEXTS.find((text) => !z.safeParse(field as z.ZodType, text).success);
    if (bad === undefined) continue;
    test(`names the query's ${name} that does not fit`, async () => {
      const query = `${name}=${encodeURIComponent(bad)}`;
      assertRefused(await send(spec.method, `${path}?${query}`, { token: ADMIN }), 'query');
    });
  }

  const { body } = spec;
  if (body) {
    test('names the field of a body that does not fit, whatever the body is', async () => {
      const unfit = fc
        .jsonValue({ maxDepth: 3 })
        .filter((value) => !body.safeParse(value).success && !/__proto__|constructor/.test(json(value)));
      const run = fc.asyncProperty(unfit, async (value) => {
        assertRefused(await send(spec.method, path, { token: ADMIN, body: Buffer.from(json(value)) }), 'body');
      });
      await fc.assert(run, { numRuns: 15 });
    });

    test('refuses a body that is no JSON, is of another type, or would change prototypes', async () => {
      const broken = await send(spec.method, path, { token: ADMIN, body: '{"a":' });
      const poison = await send(spec.method, path, { token: ADMIN, body: '{"__proto__": {"admin": true}}' });
      const plain = await send(spec.method, path, {
        token: ADMIN,
        body: '{}',
        headers: { 'content-type': 'text/plain' },
      });

      assertProblem(broken, 400, 'http/invalid-input');
      assertProblem(poison, 400, 'http/invalid-input');
      assertProblem(plain, 415, 'http/unsupported-media-type');
    });
  }
  if (body && (spec.bodyBytesMax ?? BODY_BYTES_MAX) <= 8_388_608) {
    test('refuses a body past its limit', async () => {
      const large = Buffer.alloc((spec.bodyBytesMax ?? BODY_BYTES_MAX) + 1, ' ');
      assertProblem(await send(spec.method, path, { token: ADMIN, body: large }), 413, 'http/too-large');
    });
  }
  if (spec.upload) {
    test('refuses an upload of a type that it does not take', async () => {
      const headers = { 'content-type': 'application/x-unknown' };
      const answer = await send(spec.method, path + plausibleQuery(spec), { token: ADMIN, body: 'x', headers });
      assertProblem(answer, 415, 'http/unsupported-media-type');
    });
  }
}

const ODD_TEXTS = ['not a number', '', '-1', 'UPPER case', '../..', 'x'.repeat(501), '\u0000'];
const PLAUSIBLE = [
  'a',
  '1',
  `sha256:${'0'.repeat(64)}`,
  '00000000-0000-0000-0000-000000000000',
  'serve',
  'user:a',
  'run',
];

/** A value that a parameter of the route takes. */
function sampleOf(spec: RouteSpec, name: string): string {
  const field = spec.params?.shape[name] as z.ZodType | undefined;
  return PLAUSIBLE.find((text) => field?.safeParse(text).success ?? true) ?? 'a';
}

function sample(spec: RouteSpec): Record<string, string> {
  return Object.fromEntries(Object.keys(spec.params?.shape ?? {}).map((name) => [name, sampleOf(spec, name)]));
}

function plausiblePath(spec: RouteSpec): string {
  return spec.path.replace(/:([a-zA-Z]+)/g, (_, name: string) => encodeURIComponent(sampleOf(spec, name)));
}

/** The query that the route cannot do without. */
function plausibleQuery(spec: RouteSpec): string {
  const needed = Object.entries(spec.query?.shape ?? {}).filter(([, field]) => !z.safeParse(field, undefined).success);
  const entries = needed.map(([name, field]): [string, string] => [
    name,
    PLAUSIBLE.find((text) => z.safeParse(field, text).success) ?? 'a',
  ]);
  return entries.length > 0 ? `?${new URLSearchParams(entries)}` : '';
}

function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.problem.code, code);
  assert.deepEqual([answer.status, answer.problem.status], [status, status]);
  for (const field of ['type', 'title', 'detail', 'instance'] as const) assert.ok(answer.problem[field], field);
}

function assertRefused(answer: Answer, part: 'params' | 'query' | 'body'): void {
  assertProblem(answer, 400, 'http/invalid-input');
  const [first] = answer.problem.fields ?? [];
  assert.ok(first?.message && (first.path === part || first.path.startsWith(`${part}.`)), JSON.stringify(first));
}
