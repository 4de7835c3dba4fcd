import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { RouteSpec } from '#platform/contract';
import { type ComposedWorld, openComposedWorld } from '#testing/composed-world';
import { fitInput } from '#testing/fit-input';

/** Requests for each route; the whole takes some seconds. */
const CASES = 12;

interface Request {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

const world: ComposedWorld = await openComposedWorld();
/** What deletes comes last, so that there is something that the others can be asked about. */
const ROUTES = world.plane.groups
  .flatMap(({ routes }) => Object.entries(routes))
  .sort(([, a], [, b]) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'));

describe('the composed control plane answers what fits its contracts, and never fails', () => {
  before(() => world.populate());
  after(() => world.close());

  for (const [operation, spec] of ROUTES) {
    test(`${operation}: ${spec.method} ${spec.path}`, async () => {
      const asked = fc.asyncProperty(requestFor(spec), async (request) => {
        const { status, text } = await send(spec.method, request);
        const told = `${spec.method} ${request.path} ${shown(request)}: ${text}\n${world.failures.at(-1) ?? ''}`;
        assert.ok(status < 500, told);
        if (status < 300 && text !== '') world.known.learn(parsed(text));
      });
      // The world changes with each request, so a failure is not made smaller by repeating it.
      await fc.assert(asked, { numRuns: CASES, endOnFailure: true });
    });
  }
});

function requestFor(spec: RouteSpec): fc.Arbitrary<Request> {
  const params = spec.params ? fitInput(spec.params, world.known) : fc.constant({});
  const query = spec.query ? fitInput(spec.query, world.known) : fc.constant({});
  return fc.tuple(params, query, bodyFor(spec)).map(([named, asked, { contentType, body }]) => {
    const values = named as Readonly<Record<string, unknown>>;
    const path = spec.path.replace(/:([a-zA-Z]+)/g, (_, name: string) => encodeURIComponent(String(values[name])));
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(asked as object)) search.set(name, String(value));
    return { path: search.size > 0 ? `${path}?${search}` : path, contentType, body };
  });
}

function bodyFor({ body, upload }: RouteSpec): fc.Arbitrary<Omit<Request, 'path'>> {
  if (upload) {
    const rows = fc
      .array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 })
      .map((values) => values.map(jsonOf).join('\n'));
    const bytes = fc.oneof(
      rows.map(encoded),
      fc.uint8Array({ maxLength: 200 }).map((found) => new Uint8Array(found)),
    );
    return fc.record({ contentType: fc.constantFrom(...upload), body: bytes });
  }
  if (!body) return fc.constant({ contentType: undefined, body: undefined });
  return fitInput(body, world.known).map((value) => ({
    contentType: 'application/json',
    body: encoded(jsonOf(value)),
  }));
}

async function send(method: string, request: Request): Promise<{ readonly status: number; readonly text: string }> {
  const { path, contentType, body } = request;
  const response = await fetch(world.url + path, {
    method,
    redirect: 'manual',
    headers: {
      authorization: `Bearer ${world.token}`,
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

const encoded = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
/** Content, such as of an artifact, is no JSON and teaches nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const jsonOf = (value: unknown): string => JSON.stringify(value) ?? 'null';
const shown = ({ body }: Request): string => (body ? new TextDecoder().decode(body).slice(0, 2_000) : '');
