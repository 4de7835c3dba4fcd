import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import type { ServedRoute } from '#platform/http';
import { makeObjects, type Objects } from './objects.ts';
import { ELSEWHERE, HERE, openPeopledPlane, type PeopledPlane, type Person } from './people.ts';
import { type Ask, requestsFor } from './requests.ts';

/** Addresses of MLflow's own pages, which lead to the same handlers. */
const TWIN = '/ajax-api/';
/** Where the objects of a project are kept, and the log of what was changed. */
const KEPT = /^(tracking_|registry_|governance_approval|audit$)/;

let world: PeopledPlane;
before(async () => {
  world = await openPeopledPlane();
});
after(() => world.close());

const nameOf = ({ method, path }: Pick<ServedRoute, 'method' | 'path'>) => `${method} ${path}`;

/** The routes whose objects belong to a project, where a level in the project decides. */
function projectRoutes(): ServedRoute[] {
  const ofProject = /^(tracking|registry|artifacts):(read|use|write|manage)$/;
  return world.plane.server.routes().filter(({ method, access = '' }) => method !== 'HEAD' && ofProject.test(access));
}

interface Sent {
  readonly status: number;
  readonly text: string;
}

async function send(name: string, ask: Ask, headers: Record<string, string>): Promise<Sent> {
  const [method = '', template = ''] = name.split(' ');
  const named = template.replace(/:([a-zA-Z_]+)/g, (_, param: string) => encodeURIComponent(standingFor(ask, param)));
  const path = named.replace('*', () => standingFor(ask, '*'));
  const body = ask.bytes ?? (ask.json === undefined ? undefined : JSON.stringify(ask.json));
  const type = ask.type ?? (ask.json === undefined ? undefined : 'application/json');
  const response = await fetch(`${world.url}${path}?${new URLSearchParams(ask.query)}`, {
    method,
    headers: { ...headers, ...ask.headers, ...(type === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
}

function standingFor({ params = {} }: Ask, name: string): string {
  return params[name] ?? assert.fail(`the request says nothing for ${name}`);
}

let made = 0;
async function freshObjects(): Promise<Objects> {
  made += 1;
  const headers = world.as('manager', HERE);
  return makeObjects(({ method, path, ...rest }) => send(`${method} ${path}`, rest, headers), `object-${made}`, HERE);
}

/** Everything that is kept of the objects of all projects, as one digest for each table. */
async function kept(): Promise<Record<string, string>> {
  const { reader } = world.plane.db;
  const tables = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(reader);
  const names = tables.rows.map(({ name }) => name).filter((name) => KEPT.test(name));
  assert.ok(names.length > 15, names.join());
  const digests = names.map(async (name) => {
    const { rows } = await sql`select * from ${sql.table(name)}`.execute(reader);
    return [name, hash('sha256', JSON.stringify(rows.map((row) => JSON.stringify(row)).sort()))] as const;
  });
  return Object.fromEntries(await Promise.all(digests));
}

/** Who is refused, in which project they ask, and with what. */
function refusals({ method, access = '' }: ServedRoute, { kind }: Ask) {
  const isWrite = !access.endsWith(':read');
  const hidden = [403, 404];
  const refused: { person: Person | undefined; project: string; expected: readonly number[] }[] = [
    { person: undefined, project: HERE, expected: [401] },
    { person: 'nobody', project: HERE, expected: hidden },
    { person: 'outsider', project: HERE, expected: hidden },
    { person: 'editor', project: HERE, expected: hidden },
  ];
  if (isWrite) refused.push({ person: 'reader', project: HERE, expected: [403] });
  // What names no object says nothing of one either, which is looked at apart.
  if (kind === undefined) refused.push({ person: 'outsider', project: ELSEWHERE, expected: hidden });
  if (kind === undefined) refused.push({ person: 'editor', project: 'default', expected: hidden });
  if (kind !== 'lists') refused.push({ person: 'single', project: HERE, expected: hidden });
  return refused.map((one) => ({ ...one, told: `${method} as ${one.person} in ${one.project}` }));
}

test('there is a request for every route whose objects belong to a project, and for no other', () => {
  const none = { experiment: '', experimentName: '', run: '', loggedModel: '', model: '', modelKey: '' };
  const example = { ...none, folder: '', upload: '', request: '', trace: '', assessment: '', issue: '', dataset: '' };
  const known = Object.keys(requestsFor(example));
  const served = projectRoutes().map((route) => nameOf(route).replace(TWIN, '/api/'));
  assert.deepEqual(known.sort(), [...new Set(served)].sort());
});

test('whoever may not is refused by every route that reaches an object, and whoever may succeeds', async (t) => {
  for (const route of projectRoutes().filter(({ path }) => !path.startsWith(TWIN))) {
    await t.test(nameOf(route), async () => {
      const objects = await freshObjects();
      const requests = requestsFor(objects);
      const ask = requests[nameOf(route)] as Ask;
      for (const name of ask.first ?? []) {
        assert.equal((await send(name, requests[name] as Ask, world.as('manager', HERE))).status, 200, name);
      }
      const before = await kept();
      for (const { person, project, expected, told } of refusals(route, ask)) {
        for (const name of [nameOf(route), nameOf(route).replace(/ \/api\/(?=\d)/, ` ${TWIN}`)]) {
          const { status, text } = await send(name, ask, world.as(person, project));
          assert.ok(expected.includes(status), `${told} answered ${status} ${text}`);
        }
      }
      assert.deepEqual(await kept(), before);

      const { status, text } = await send(nameOf(route), ask, world.as('manager', HERE));
      assert.ok(ask.reached ? ask.reached.includes(status) : status < 300, `the manager got ${status} ${text}`);
    });
  }
});

test('a list shows nothing of another project, nor of objects that one holds no level on', async () => {
  const objects = await freshObjects();
  const { run, loggedModel, experimentName, request, trace, issue, dataset } = objects;
  const secrets = [run, loggedModel, experimentName, request, trace, issue, dataset];
  for (const [name, ask] of Object.entries(requestsFor(objects)).filter(([, { kind }]) => kind === 'lists')) {
    const shown = await send(name, ask, world.as('manager', HERE));
    assert.equal(shown.status, 200, name);
    for (const [person, project] of [
      ['outsider', ELSEWHERE],
      ['editor', 'default'],
      ['single', HERE],
    ] as const) {
      const { status, text } = await send(name, ask, world.as(person, project));
      assert.ok([200, 403, 404].includes(status), `${name} as ${person} answered ${status} ${text}`);
      for (const secret of secrets) {
        assert.ok(status !== 200 || !text.includes(secret), `${name} as ${person} in ${project} shows ${secret}`);
      }
    }
  }
});

test('what is made in one project is in that one, whatever the same name is in another', async () => {
  const objects = await freshObjects();
  for (const [name, ask] of Object.entries(requestsFor(objects)).filter(([, { kind }]) => kind === 'makes')) {
    const before = await shownOf(objects);
    const { status, text } = await send(name, ask, world.as('outsider', ELSEWHERE));
    assert.ok(
      status === 200 || status === 201 || status === 400 || status === 409,
      `${name} answered ${status} ${text}`,
    );
    assert.deepEqual(await shownOf(objects), before, name);
  }
});

/** What the manager sees in the project. */
async function shownOf(objects: Objects): Promise<string[]> {
  const requests = requestsFor(objects);
  const lists = Object.entries(requests).filter(([, { kind }]) => kind === 'lists');
  return Promise.all(lists.map(async ([name, ask]) => (await send(name, ask, world.as('manager', HERE))).text));
}
