import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeObjects, type Objects } from '../routes/reach/objects.ts';
import { type Asked, allRefused, answerTo, ask, mlflow } from './hostile/ask.ts';
import { forEachDatabase, type HostileServer } from './hostile/server.ts';

/** Texts that mean something in SQL, in LIKE, in the filter language or in a driver. */
const TEXTS = [
  "'; drop table tracking_run; --",
  "' or '1'='1",
  "') or 1=1 --",
  "x' union select * from account_key --",
  '"; delete from audit; --',
  '/* */',
  '--',
  '%',
  '_',
  '%_%',
  '\\',
  '\\%',
  'a\\',
  '$1',
  '?',
  ':name',
  '{{x}}',
  '`',
  '"',
  "'",
  "''",
  '\u2019 or 1=1',
  '\ud83d\ude00',
  'a'.repeat(5_000),
];

/** Expressions that hold up an engine which goes back in the text, and such as an engine cannot be asked for. */
const HOLDING_UP = ['^(a+)+$', '(a|aa)+$', '(a|a?)+b', '(?:a?){100}a{100}', '((a*)*)*b', '(.*)(.*)(.*)(.*)(.*)b'];
const REFUSED = [
  ...['(?=a)', '(?<!a)', '(a)\\1', '(?P<n>a)(?P=n)', '(?>a)', 'a++', '(', '[a', 'a{2,1}', '*', '\\', '\\p{L}'],
  ...['a{1000000}', '((a{200}){200}){200}', '(?:a?){250}', '('.repeat(400), 'a'.repeat(1_001), '(?:\\b|a){50}'],
];

interface Search {
  readonly name: string;
  /** Below `/api/2.0/mlflow/`, or a whole path. */
  readonly ask: (fields: Readonly<Record<string, unknown>>) => Asked;
  readonly list: string;
  /** The names of texts that can be compared, as a filter has them. */
  readonly texts: readonly string[];
  readonly tag: string;
  readonly pageMax: number;
}

function inQuery(path: string, fields: Readonly<Record<string, unknown>>): Asked {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value].flat()) query.append(name, String(one));
  }
  return { method: 'GET', path: `${path}?${query}` };
}

const searches = ({ experiment }: Objects): Search[] => [
  {
    name: 'runs',
    ask: (fields) => mlflow('POST', 'runs/search', { experiment_ids: [experiment], ...fields }),
    ...{ list: 'runs', tag: 'tags.t', pageMax: 50_000 },
    texts: ['tags.t', 'params.p', 'attributes.run_name', 'attributes.user_id', 'attributes.run_id', 'dataset.name'],
  },
  {
    name: 'experiments',
    ask: (fields) => mlflow('POST', 'experiments/search', fields),
    ...{ list: 'experiments', tag: 'tags.t', pageMax: 50_000 },
    texts: ['tags.t', 'name'],
  },
  {
    name: 'logged models',
    ask: ({ order_by, ...fields }) =>
      mlflow('POST', 'logged-models/search', {
        ...{ experiment_ids: [experiment], ...fields },
        ...(order_by === undefined ? {} : { order_by: [order_by].flat().map((field_name) => ({ field_name })) }),
      }),
    ...{ list: 'models', tag: 'tags.t', pageMax: 1_000 },
    texts: ['tags.t', 'name', 'params.p'],
  },
  {
    name: 'registered models',
    ask: (fields) => inQuery('/api/2.0/mlflow/registered-models/search', fields),
    ...{ list: 'registered_models', tag: 'tags.t', pageMax: 1_000 },
    texts: ['tags.t', 'name'],
  },
  {
    name: 'model versions',
    ask: (fields) => inQuery('/api/2.0/mlflow/model-versions/search', fields),
    ...{ list: 'model_versions', tag: 'tags.t', pageMax: 200_000 },
    texts: ['tags.t', 'name', 'run_id', 'source_path'],
  },
  {
    name: 'traces',
    ask: (fields) => ({
      method: 'POST',
      path: '/api/3.0/mlflow/traces/search',
      json: { locations: [{ mlflow_experiment: { experiment_id: experiment } }], ...fields },
    }),
    ...{ list: 'traces', tag: 'tags.t', pageMax: 500 },
    texts: ['tags.t', 'name', 'run_id', 'metadata.m', 'span.name', 'span.attributes.t', 'feedback.good', 'text'],
  },
  {
    name: 'data sets',
    ask: ({ filter, ...fields }) => ({
      method: 'POST',
      path: '/api/3.0/mlflow/datasets/search',
      json: { ...fields, ...(filter === undefined ? {} : { filter_string: filter }) },
    }),
    ...{ list: 'datasets', tag: 'tags.t', pageMax: 50_000 },
    texts: ['tags.t', 'name', 'created_by'],
  },
];

const NAMES = ['runs', 'experiments', 'logged models', 'registered models', 'model versions', 'traces', 'data sets'];
const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

forEachDatabase('A hostile search', (open) => {
  let server: HostileServer;
  let objects: Objects;
  before(async () => {
    server = await open();
    objects = await makeObjects(({ bytes, ...one }) => ask(server, { ...one, ...(bytes ? { body: bytes } : {}) }), 'a');
  });
  after(() => server.stop());

  const of = (name: string): Search =>
    searches(objects).find((search) => search.name === name) ?? assert.fail(`no search of ${name}`);

  /** Asks all of it: each is answered as by nobody's fault or as by the caller's, and nothing changes. */
  async function harmless(asked: readonly Asked[]): Promise<void> {
    const before = await server.kept();
    for (const one of asked) {
      const { status, text } = await ask(server, one);
      assert.ok(status === 200 || status === 400, `${one.path} ${JSON.stringify(one.json)}: ${status} ${text}`);
    }
    assert.deepEqual(await server.kept(), before);
    assert.ok(await server.isAlive());
  }

  for (const name of NAMES) {
    test(`of ${name} finds exactly what has a text, whatever the text means elsewhere`, async () => {
      const { ask: asking, list, tag } = of(name);
      for (const text of TEXTS) {
        await tagAll(server, objects, text);
        const found = async (filter: string) =>
          ((await answerTo(server, asking({ filter })))[list] as unknown[] | undefined)?.length ?? 0;
        assert.equal(await found(`${tag} = ${quoted(text)}`), 1, text.slice(0, 100));
        assert.equal(await found(`${tag} = ${quoted(`${text}x`)}`), 0, text.slice(0, 100));
        assert.equal(await found(`${tag} LIKE ${quoted('%')}`), 1, text.slice(0, 100));
        assert.equal(await found(`${tag} LIKE ${quoted(`${[...text][0]}%`)}`), 1, text.slice(0, 100));
      }
    });

    test(`of ${name} takes a hostile text in any place for a text, or refuses it`, async () => {
      const { ask: asking, texts } = of(name);
      const filters = TEXTS.flatMap((text) => [
        text,
        ...texts.flatMap((field) => [
          `${field} = '${text}'`,
          `${field} = ${text}`,
          `${field} LIKE ${quoted(text)}`,
          `${field} ILIKE ${quoted(text)}`,
          `${field} RLIKE ${quoted(text)}`,
          `${field} IN (${quoted(text)}, '${text}')`,
          `${field} ${text} 'a'`,
          `${field} = "${text}"`,
        ]),
        `tags.\`${text}\` = 'a'`,
        `tags."${text}" = 'a'`,
        `${text}.t = 'a'`,
        `metrics.\`${text}\` > 1`,
        `metrics.m > ${text}`,
        `tags.t = 'a' AND ${text}`,
      ]);
      await harmless(filters.map((filter) => asking({ filter })));
      const orders = TEXTS.flatMap((text) => [
        text,
        `${text} DESC`,
        `name ${text}`,
        `tags.\`${text}\` ASC`,
        `name; ${text}`,
      ]);
      await harmless(orders.filter((order) => order.length < 1_000).map((order) => asking({ order_by: [order] })));
      const endless = [
        '('.repeat(10_000),
        'NOT '.repeat(10_000),
        "tags.t = 'a' OR ".repeat(5_000),
        `${'('.repeat(60)}tags.t = 'a'${')'.repeat(60)}`,
      ];
      await allRefused(
        server,
        endless.filter((filter) => filter.length < 12_000).map((filter) => asking({ filter })),
        [400, 414, 431],
      );
    });

    test(`of ${name} refuses pages of a size that there is not, and tokens that it did not give`, async () => {
      const { ask: asking, pageMax } = of(name);
      const sizes = [
        -1,
        -(2 ** 31),
        pageMax + 1,
        2 ** 31,
        2 ** 63,
        1e300,
        1.5,
        '1e3',
        'all',
        '0x10',
        '9'.repeat(40),
        ' ',
        'NaN',
      ];
      await allRefused(
        server,
        sizes.map((max_results) => asking({ max_results })),
        [400],
      );
      const tokens = ['x', '-1', '%', "' or 1=1 --", '{}', '[]', 'null', 'eyJvZmZzZXQiOi0xfQ==', 'a'.repeat(5_000)];
      const forged = [
        { offset: -1 },
        { offset: 1e300 },
        { offset: '1; drop' },
        [],
        null,
        1,
        [[]],
        [null, null],
        ['a', 'b', 'c'],
      ];
      const encoded = forged.map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'));
      const deep = Buffer.from(`${'['.repeat(3_000)}${']'.repeat(3_000)}`).toString('base64url');
      await allRefused(
        server,
        [...tokens, ...encoded, deep].map((page_token) => asking({ page_token, max_results: 1 })),
        [400],
      );
    });
  }

  test('of traces by an expression that holds up other engines is answered, and by what is none refused', async () => {
    const { ask: asking, list, tag, texts } = of('traces');
    await tagAll(server, objects, `${'a'.repeat(4_900)}!`);
    for (const pattern of HOLDING_UP) {
      const answer = await answerTo(server, asking({ filter: `${tag} RLIKE ${quoted(pattern)}` }));
      const isFound = ((answer[list] as unknown[] | undefined)?.length ?? 0) > 0;
      assert.equal(isFound, pattern === '(?:a?){100}a{100}', pattern);
    }
    const fields = texts.filter((field) => field !== 'text');
    const filters = REFUSED.flatMap((pattern) => fields.map((field) => `${field} RLIKE ${quoted(pattern)}`));
    await allRefused(
      server,
      filters.map((filter) => asking({ filter })),
      [400],
    );
  });

  test('with the token of another search is refused', async () => {
    await answerTo(server, mlflow('POST', 'experiments/create', { name: 'second' }));
    const { next_page_token: token } = await answerTo(server, mlflow('POST', 'experiments/search', { max_results: 1 }));
    assert.equal(typeof token, 'string');
    const others = NAMES.filter((name) => name !== 'experiments').map((name) => of(name).ask({ page_token: token }));
    const otherwise = [{ filter: "name = 'a'" }, { order_by: ['name ASC'] }].map((fields) =>
      mlflow('POST', 'experiments/search', { page_token: token, ...fields }),
    );
    await allRefused(server, [...others, ...otherwise], [400]);
    const turned = `${String(token).slice(0, -2)}${String(token).endsWith('AA') ? 'BB' : 'AA'}`;
    const { status } = await ask(server, mlflow('POST', 'experiments/search', { page_token: turned, max_results: 1 }));
    assert.ok(status === 400 || status === 200, `${status}`);
  });

  test('over the history of a metric, or over lists of the platform, is refused in the same way', async () => {
    const { run } = objects;
    const lists = ['models', 'tracking/runs', 'tracking/experiments', 'audit', 'webhooks', 'users'];
    const sizes = ['-1', '0', '1000001', '1e9', '1.5', 'all', '9'.repeat(40)];
    const asked = [
      ...['-1', '50001', '1.5', 'x'].map((size) =>
        inQuery('/api/2.0/mlflow/metrics/get-history', { run_id: run, metric_key: 'm', max_results: size }),
      ),
      ...['x', '%00', 'e30=', 'W10=', "'"].map((token) =>
        inQuery('/api/2.0/mlflow/metrics/get-history', { run_id: run, metric_key: 'm', page_token: token }),
      ),
      ...lists.flatMap((list) => sizes.map((limit) => inQuery(`/api/v1/${list}`, { limit }))),
    ];
    const served = await Promise.all(lists.map((list) => ask(server, inQuery(`/api/v1/${list}`, {}))));
    const there = new Set(lists.filter((_, i) => served[i]?.status === 200));
    assert.ok(there.size > 4);
    await allRefused(
      server,
      asked.filter(
        ({ path }) => !path.startsWith('/api/v1/') || [...there].some((list) => path.startsWith(`/api/v1/${list}?`)),
      ),
      [400],
    );
  });
});

/** Gives one object of each kind the text as its tag `t`. */
async function tagAll(server: HostileServer, objects: Objects, value: string): Promise<void> {
  const { run: run_id, experiment: experiment_id, loggedModel, model: name } = objects;
  const tag = { key: 't', value };
  await answerTo(server, mlflow('POST', 'runs/set-tag', { run_id, ...tag }));
  await answerTo(server, mlflow('POST', 'experiments/set-experiment-tag', { experiment_id, ...tag }));
  await answerTo(server, mlflow('PATCH', `logged-models/${loggedModel}/tags`, { tags: [tag] }));
  await answerTo(server, mlflow('POST', 'registered-models/set-tag', { name, ...tag }));
  await answerTo(server, mlflow('POST', 'model-versions/set-tag', { name, version: '1', ...tag }));
  await answerTo(server, mlflow('PATCH', `traces/${objects.trace}/tags`, tag));
  const tags = JSON.stringify({ t: value });
  await answerTo(server, { method: 'PATCH', path: `/api/3.0/mlflow/datasets/${objects.dataset}/tags`, json: { tags } });
}
