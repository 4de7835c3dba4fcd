import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { AuditLog } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../../index.ts';
import { exportOf, type SpanDraft } from '../../otlp/testing.ts';
import { serveMlflow } from '../testing.ts';

const V3 = '/api/3.0/mlflow/traces';
const V2 = '/api/2.0/mlflow/traces';
const ID = `tr-${'a'.repeat(32)}`;

interface Info {
  readonly trace_id: string;
  readonly state: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly trace_metadata: Readonly<Record<string, string>>;
  readonly assessments: readonly Record<string, unknown>[];
}

forEachDialect('MLflow traces', trackingMigrations, (openDb) => {
  async function serve(t: TestContext, role = 'admin') {
    const server = await serveMlflow(t, openDb, { role });
    const { send, url } = server;
    const call = async (method: string, path: string, body?: object, project?: string) => {
      const content = body === undefined ? {} : { body: JSON.stringify(body) };
      return send(method, path, { ...content, ...(project === undefined ? {} : { project }) });
    };
    const done = async (...asked: Parameters<typeof call>): Promise<Record<string, unknown>> => {
      const { status, body } = await call(...asked);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    };
    const infoOf = (body: Record<string, unknown>) => (body['trace'] as { trace_info: Info }).trace_info;
    const start = async (more: object = {}, project?: string): Promise<Info> =>
      infoOf(await done('POST', V3, { trace: { trace_info: { ...traceInfo('0'), ...more } } }, project));
    const get = async (id = ID, project?: string) => infoOf(await done('GET', `${V3}/${id}`, undefined, project));
    const log = (spans: readonly SpanDraft[], project?: string, experiment = '0') =>
      fetch(`${url}/v1/traces`, {
        method: 'POST',
        body: JSON.stringify(exportOf(...spans)),
        headers: {
          'content-type': 'application/json',
          'x-mlflow-experiment-id': experiment,
          ...(project === undefined ? {} : { 'x-mlflow-workspace': project }),
        },
      });
    const found = async (filter: string, more: object = {}): Promise<string[]> => {
      const body = await done('POST', `${V3}/search`, { locations: [locationOf('0')], filter, ...more });
      return ((body['traces'] as Info[] | undefined) ?? []).map(({ trace_id }) => trace_id);
    };
    return { ...server, call, done, start, get, log, found };
  }

  test('a trace that is told of again is the same trace, and keeps what was said of it', async (t) => {
    const { start, get, log } = await serve(t);
    assert.equal((await log([{ id: '1' }])).status, 200);
    const feedback = { assessment_id: 'a-1', assessment_name: 'good', feedback: { value: true } };
    const sent = { tags: { a: '1' }, trace_metadata: { m: '1' }, assessments: [feedback] };
    await start(sent);
    const again = await start({ ...sent, tags: { b: '2' }, state: 'ERROR' });
    assert.equal(again.state, 'ERROR');
    assert.deepEqual(again, await get());
    const { 'mlflow.artifactLocation': place, ...tags } = again.tags;
    assert.deepEqual(tags, { a: '1', b: '2', 'mlflow.traceName': '1', 'mlflow.trace.spansLocation': 'TRACKING_STORE' });
    assert.equal(place, `mlflow-artifacts:/0/traces/${ID}/artifacts`);
    assert.deepEqual(
      again.assessments.map((one) => [one['assessment_id'], one['trace_id']]),
      [['a-1', ID]],
    );
  });

  test('two projects may have a trace of one id, each its own part of it', async (t) => {
    const { start, get, log, done, call } = await serve(t);
    const { experiment_id } = await done('POST', '/api/2.0/mlflow/experiments/create', { name: 'theirs' }, 'risk');
    const theirs = String(experiment_id);
    await start({ tags: { whose: 'ours' } });
    await start({ trace_location: locationOf(theirs), tags: { whose: 'theirs' } }, 'risk');
    assert.equal((await log([{ id: '1' }])).status, 200);
    assert.equal((await log([{ id: '2' }], 'risk', theirs)).status, 200);
    assert.equal((await get()).tags['whose'], 'ours');
    assert.equal((await get(ID, 'risk')).tags['whose'], 'theirs');
    const { trace } = await done('GET', `${V3}/get?trace_id=${ID}`, undefined, 'risk');
    assert.deepEqual(
      (trace as { spans: { name: string }[] }).spans.map(({ name }) => name),
      ['2'],
    );
    const { status } = await call('POST', V3, { trace: { trace_info: traceInfo(theirs) } });
    assert.equal(status, 404, 'the experiment of another project is not there');
    const removed = await done('POST', `${V3}/delete-traces`, { experiment_id: '0', request_ids: [ID] });
    assert.equal(removed['traces_deleted'], 1);
    assert.equal((await get(ID, 'risk')).tags['whose'], 'theirs');
  });

  test('of a deleted trace nothing is left but that it was there', async (t) => {
    const { start, log, done, call, db, newRun } = await serve(t);
    const secret = 'a-secret-of-somebody';
    const attributes = [{ key: 'mlflow.spanInputs', value: { stringValue: secret } }];
    await log([{ id: '1', name: secret, attributes }]);
    const said = { assessment_name: secret, feedback: { value: secret }, rationale: secret };
    const keyed = { tags: { [secret]: secret }, trace_metadata: { [secret]: secret } };
    await start({ ...keyed, assessments: [said], request_preview: secret, client_request_id: secret });
    const run_id = await newRun();
    await done('POST', `${V2}/link-to-run`, { trace_ids: [ID, 'tr-unknown'], run_id });
    await done('POST', `${V2}/link-prompts`, { trace_id: ID, prompt_versions: [{ name: secret, version: '1' }] });
    await done('POST', `${V3}/delete-traces`, { experiment_id: '0', request_ids: [ID] });

    for (const table of ['tracking_trace', 'tracking_span', 'tracking_assessment', 'tracking_trace_tag']) {
      const { rows } = await sql`select * from ${sql.table(table)}`.execute(db.reader);
      assert.ok(!JSON.stringify(rows).includes(secret), table);
      assert.equal(rows.length, table === 'tracking_trace' ? 1 : 0);
    }
    for (const [method, path, body] of [
      ['GET', `${V3}/${ID}`, undefined],
      ['GET', `${V3}/get?trace_id=${ID}`, undefined],
      ['GET', `${V2}/${ID}/info`, undefined],
      ['PATCH', `${V3}/${ID}/tags`, { key: 'a', value: 'b' }],
      ['POST', `${V3}/${ID}/assessments`, { assessment: { assessment_name: 'a', feedback: { value: 1 } } }],
    ] as const) {
      assert.equal((await call(method, path, body)).status, 404, `${method} ${path}`);
    }
    const again = await call('POST', V3, { trace: { trace_info: traceInfo('0') } });
    assert.deepEqual([again.status, again.body['error_code']], [400, 'INVALID_STATE']);
    const late = (await (await log([{ id: '2' }])).json()) as { partialSuccess: { errorMessage: string } };
    assert.match(late.partialSuccess.errorMessage, /was deleted/);
  });

  test('what people do to traces is audited; traces themselves, and what programs say of them, are not', async (t) => {
    const { start, done, db, log } = await serve(t);
    const said = (source_type: string) => ({
      assessment: { assessment_name: source_type, feedback: { value: 1 }, source: { source_type, source_id: 'x' } },
    });
    await log([{ id: '1' }]);
    await start();
    await done('POST', `${V3}/${ID}/assessments`, said('LLM_JUDGE'));
    await done('POST', `${V3}/${ID}/assessments`, said('CODE'));
    const audited = async () => {
      const items = await new AuditLog(db.reader).search({ limit: 100 });
      return items
        .map(({ action }) => action)
        .filter((action) => /^(trace|assessment)\./.test(action))
        .reverse();
    };
    assert.deepEqual(await audited(), []);
    const made = await done('POST', `${V3}/${ID}/assessments`, said('HUMAN'));
    const id = (made['assessment'] as { assessment_id: string }).assessment_id;
    const change = { assessment: { rationale: 'why' }, update_mask: 'rationale' };
    await done('PATCH', `${V3}/${ID}/assessments/${id}`, change);
    await done('DELETE', `${V3}/${ID}/assessments/${id}`);
    await done('DELETE', `${V3}/${ID}/assessments/${id}`);
    await done('PATCH', `${V2}/${ID}/tags`, { key: 'a', value: 'b' });
    await done('DELETE', `${V2}/${ID}/tags`, { key: 'a' });
    await done('POST', `${V3}/delete-traces`, { experiment_id: '0', max_timestamp_millis: 4_000_000_000_000 });
    const acts = ['assessment.create', 'assessment.update', 'assessment.delete'];
    assert.deepEqual(await audited(), [...acts, 'trace.set-tag', 'trace.delete-tag', 'trace.delete']);
  });

  test('a filter joins with OR, NOT and parentheses; what AND joins of spans is of one span', async (t) => {
    const { log, found, start, done } = await serve(t);
    const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
    await log([
      { id: '1', trace: 'a', name: 'root', attributes: [text('odd "key"', "it's"), text('n', '7')] },
      { id: '2', trace: 'a', parent: '1', name: 'leaf', status: { code: 2 } },
      { id: '3', trace: 'b', name: 'leaf', attributes: [text('n', '8')] },
      { id: '4', trace: 'c', name: 'other', from: 10, to: 30 },
    ]);
    const feedback = (value: unknown) => ({ assessments: [{ assessment_name: 'score', feedback: { value } }] });
    await start({ trace_id: idOf('d'), ...feedback(0.5), tags: { team: 'x', 'mlflow.traceName': 'told' } });
    await start({ trace_id: idOf('e'), ...feedback('7'), trace_metadata: { 'mlflow.sourceRun': 'r1' } });
    const ids = async (filter: string) =>
      (await found(filter))
        .map((id) => id.at(-1))
        .sort()
        .join('');
    for (const [filter, expected] of [
      ['', 'abcde'],
      ["span.name = 'leaf' AND span.status = 'ERROR'", 'a'],
      ["span.name = 'root' AND span.status = 'ERROR'", ''],
      ["span.name = 'root' OR span.status = 'ERROR'", 'a'],
      ["NOT span.name = 'leaf'", 'cde'],
      ["NOT (span.name = 'leaf' OR name = 'told')", 'ce'],
      ["span.attributes.n IN ('7', '8')", 'ab'],
      ["span.attributes.`odd \"key\"` = 'it''s'", 'a'],
      ['span.attributes.n IS NULL', 'ac'],
      ["span.attributes.__proto__ = 'x'", ''],
      ["text LIKE '%other%'", 'c'],
      ["span.content ILIKE '%OTHER%'", 'c'],
      ['feedback.score > 0.4', 'd'],
      ['feedback.score = 0.5', 'd'],
      ["feedback.score = '7'", 'e'],
      ['feedback.score IS NOT NULL', 'de'],
      ['expectation.score IS NULL', 'abcde'],
      ["run_id = 'r1'", 'e'],
      ["metadata.mlflow.sourceRun = 'r1'", 'e'],
      ["tags.team = 'x' AND tags.mlflow.traceName = 'told'", 'd'],
      ['execution_time_ms >= 20', 'c'],
      ['end_time_ms > 1700000000020 AND execution_time_ms IS NOT NULL', 'c'],
      ['timestamp_ms = 1700000000010', 'c'],
      ["trace_id = 'tr-none' OR request_id LIKE '%bbb'", 'b'],
      ["status = 'OK' AND NOT trace.name = 'leaf'", 'acde'],
      ["name RLIKE '^(lea|oth)'", 'bc'],
      ["NOT name RLIKE 'o'", 'be'],
      ["tags.team RLIKE '(?i)^X$' AND tags.mlflow.traceName RLIKE 't.ld'", 'd'],
      ["metadata.`mlflow.sourceRun` RLIKE '^r[0-9]$'", 'e'],
      ["span.name RLIKE 'f$' AND span.attributes.n RLIKE '^[78]$'", 'b'],
      ["span.attributes.`odd \"key\"` RLIKE 't''s$'", 'a'],
      ["feedback.score RLIKE '^[57]$' OR trace_id RLIKE 'a{3}'", 'ae'],
      ["status RLIKE '^(OK|ERROR)$' AND run_id RLIKE '.'", 'e'],
    ] as const) {
      assert.equal(await ids(filter), expected, filter);
    }
    const pages: string[] = [];
    let page_token: string | undefined;
    do {
      const asked = { locations: [locationOf('0')], order_by: ['name ASC'], max_results: 2, page_token };
      const body = await done('POST', `${V3}/search`, asked);
      const infos = body['traces'] as Info[];
      pages.push(infos.map(({ trace_id }) => trace_id.at(-1)).join(''));
      page_token = body['next_page_token'] as string | undefined;
    } while (page_token !== undefined);
    assert.deepEqual(pages, ['bc', 'ad', 'e'], 'what has no name comes last');
  });

  test('what is wrong with a request is told of, and never breaks it', async (t) => {
    const { call, start } = await serve(t);
    await start();
    const info = (more: object) => ({ trace: { trace_info: { ...traceInfo('0'), ...more } } });
    const said = (more: object) => ({ assessment: { assessment_name: 'a', feedback: { value: 1 }, ...more } });
    const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'v']));
    const of = `${V3}/${ID}`;
    for (const [method, path, body, status] of [
      ['POST', V3, {}, 400],
      ['POST', V3, info({ trace_id: '../x' }), 400],
      ['POST', V3, info({ request_time: 'yesterday' }), 400],
      ['POST', V3, info({ request_time: '1960-01-01T00:00:00Z' }), 400],
      ['POST', V3, info({ request_time: '2026-99-99T00:00:00Z' }), 400],
      ['POST', V3, info({ execution_duration: '-1s' }), 400],
      ['POST', V3, info({ state: 'FINE' }), 400],
      ['POST', V3, info({ tags: ['a'] }), 400],
      ['POST', V3, info({ tags: { a: 1 } }), 400],
      ['POST', V3, info({ tags: many(1_001) }), 400],
      ['POST', V3, info({ tags: { a: 'x'.repeat(8_001) } }), 400],
      ['POST', V3, info({ trace_location: { inference_table: {} } }), 400],
      ['POST', V3, info({ trace_location: locationOf('4711') }), 404],
      ['POST', V3, info({ assessments: [said({}).assessment, { assessment_name: 'b' }] }), 400],
      [
        'GET',
        `${V3}/batchGet?trace_ids=${Array.from({ length: 101 }, (_, i) => `t${i}`).join('&trace_ids=')}`,
        undefined,
        400,
      ],
      ['POST', `${V3}/search`, { locations: [locationOf('0')], max_results: 501 }, 400],
      ['POST', `${V3}/search`, { locations: [locationOf('0')], filter: 'feedback.a > true' }, 400],
      ['POST', `${V3}/search`, { locations: [locationOf('0')], order_by: ['span.name'] }, 400],
      ['POST', `${V3}/delete-traces`, { experiment_id: '0' }, 400],
      ['POST', `${V3}/delete-traces`, { experiment_id: '0', request_ids: [ID], max_timestamp_millis: 1 }, 400],
      ['PATCH', `${of}/tags`, { key: 'mlflow.artifactLocation', value: 'file:///etc' }, 400],
      ['DELETE', `${of}/tags`, { key: 'none' }, 404],
      ['POST', `${of}/assessments`, said({ expectation: { value: 1 } }), 400],
      ['POST', `${of}/assessments`, said({ feedback: undefined }), 400],
      ['POST', `${of}/assessments`, said({ feedback: { value: 'x'.repeat(70_000) } }), 400],
      ['POST', `${of}/assessments`, said({ feedback: { value: { a: 'x\0' } } }), 400],
      ['POST', `${of}/assessments`, said({ source: { source_type: 'GOD' } }), 400],
      ['POST', `${of}/assessments`, said({ overrides: 'a-none' }), 404],
      ['GET', `${of}/assessments/a-none`, undefined, 404],
      ['PATCH', `${of}/assessments/a-none`, { assessment: {}, update_mask: 'rationale' }, 404],
      ['PATCH', `${of}/assessments/a-none`, { assessment: {}, update_mask: 'source' }, 400],
      ['POST', `${V2}/link-to-run`, { trace_ids: many(0), run_id: '%' }, 400],
      ['PATCH', `${V2}/tr-none`, { timestamp_ms: 5 }, 404],
    ] as const) {
      const answer = await call(method, path, body);
      assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`);
      assert.equal(typeof answer.body['message'], 'string');
    }
    const serialized = { serialization_format: 'JSON_FORMAT', value: '[NaN]' };
    const broken = { assessment: { assessment_name: 'e', expectation: { serialized_value: serialized } } };
    assert.equal((await call('POST', `${of}/assessments`, broken)).status, 400);
  });

  test('a trace is not whole before the spans have come that its client tells of', async (t) => {
    const { start, log, call, done } = await serve(t);
    await log([{ id: '1' }]);
    await start({ trace_metadata: { 'mlflow.trace.sizeStats': '{"num_spans": 2}' } });
    const early = await call('GET', `${V3}/get?trace_id=${ID}`);
    assert.deepEqual([early.status, early.body['error_code']], [404, 'RESOURCE_DOES_NOT_EXIST']);
    const { trace } = await done('GET', `${V3}/get?trace_id=${ID}&allow_partial=true`);
    assert.equal((trace as { spans: unknown[] }).spans.length, 1);
    await log([{ id: '2', parent: '1' }]);
    await done('GET', `${V3}/get?trace_id=${ID}`);
  });
});

function locationOf(experiment_id: string) {
  return { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } };
}

function traceInfo(experiment: string): Record<string, unknown> {
  return {
    trace_id: ID,
    trace_location: locationOf(experiment),
    request_time: '2026-01-31T12:00:00.5Z',
    state: 'OK',
  };
}

/** The id of a trace whose spans were logged under one digit. */
function idOf(digit: string): string {
  return `tr-${digit.repeat(32)}`;
}
