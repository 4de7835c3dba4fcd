import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditLog } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../index.ts';
import { serveMlflow } from './testing.ts';

const ISSUES = '/api/3.0/mlflow/issues';

interface Sent {
  readonly issue_id: string;
  readonly name: string;
  readonly status: string;
  readonly severity?: string;
  readonly trace_count?: number;
}

forEachDialect('Issues', trackingMigrations, (openDb) => {
  test('are kept, found the most severe first, and counted by the traces that show them', async (t) => {
    const { send, db } = await serveMlflow(t, openDb, { role: 'admin' });
    const call = async (method: string, path: string, body?: object, project?: string) =>
      send(method, path, {
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(project === undefined ? {} : { project }),
      });
    const done = async (...asked: Parameters<typeof call>) => {
      const { status, body } = await call(...asked);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    };
    const create = async (draft: object): Promise<Sent> => {
      const whole = { experiment_id: '0', description: 'what is wrong', ...draft };
      return (await done('POST', ISSUES, whole))['issue'] as Sent;
    };
    const search = async (more: object = {}, project?: string): Promise<Sent[]> =>
      (await done('POST', `${ISSUES}/search`, { experiment_id: '0', ...more }, project))['issues'] as Sent[];
    const names = (issues: readonly Sent[]) => issues.map(({ name }) => name);

    const rude = await create({ name: 'rude', severity: 'low', root_causes: ['prompt'], categories: ['tone'] });
    assert.match(rude.issue_id, /^iss-[0-9a-f]{32}$/);
    assert.equal(rude.status, 'pending');
    const slow = await create({ name: 'slow', severity: 'high', source_run_id: 'run-1', created_by: 'ada' });
    await create({ name: 'odd' });

    await t.test('in order, in pages, and by what they are', async () => {
      assert.deepEqual(names(await search()), ['slow', 'rude', 'odd']);
      const first = await done('POST', `${ISSUES}/search`, { experiment_id: '0', max_results: 2 });
      const rest = await search({ max_results: 2, page_token: first['next_page_token'] });
      assert.deepEqual([names(first['issues'] as Sent[]), names(rest)], [['slow', 'rude'], ['odd']]);
      assert.deepEqual(names(await search({ filter_string: "source_run_id = 'run-1'" })), ['slow']);
      assert.deepEqual(names(await search({ filter_string: "source_run_id != 'run-1'" })), []);
      assert.deepEqual(names(await search({ experiment_id: '' })), ['slow', 'rude', 'odd']);
      assert.deepEqual(names(await search({ experiment_id: '' }, 'elsewhere')), []);
    });

    await t.test('and are changed, which the audit log has', async () => {
      const path = `${ISSUES}/${rude.issue_id}`;
      const changed = (await done('PATCH', path, { status: 'resolved', severity: 'not_an_issue' }))['issue'] as Sent;
      assert.deepEqual([changed.status, changed.severity, changed.name], ['resolved', 'not_an_issue', 'rude']);
      assert.deepEqual((await done('GET', path))['issue'], changed);
      assert.deepEqual(names(await search({ filter_string: "status = 'resolved'" })), ['rude']);
      const entries = await new AuditLog(db.reader).about(`issue/0/${rude.issue_id}`, { after: 0, limit: 10 });
      assert.deepEqual(
        entries.map(({ action }) => action),
        ['issue.create', 'issue.update'],
      );
    });

    await t.test('with the traces that show them first among equals', async () => {
      const shown = await create({ name: 'shown' });
      const trace_info = {
        trace_id: 'tr-1',
        trace_location: { mlflow_experiment: { experiment_id: '0' } },
        request_time: '2026-01-31T12:00:00Z',
        assessments: [
          { assessment_name: shown.issue_id, issue: { issue_name: 'shown' }, source: { source_type: 'HUMAN' } },
        ],
      };
      await done('POST', '/api/3.0/mlflow/traces', { trace: { trace_info } });
      const counted = await search({ include_trace_count: true, filter_string: "status = 'pending'" });
      assert.deepEqual(
        counted.map(({ name, trace_count }) => [name, trace_count]),
        [
          ['slow', 0],
          ['shown', 1],
          ['odd', 0],
        ],
      );
    });

    await t.test('and what does not fit, or is not there, is refused', async () => {
      const unknown = [`${ISSUES}/iss-none`, `${ISSUES}/${slow.issue_id}`] as const;
      for (const [path, project] of [
        [unknown[0], undefined],
        [unknown[1], 'elsewhere'],
      ] as const) {
        const { status, body } = await call('GET', path, undefined, project);
        assert.deepEqual([status, body['error_code']], [404, 'RESOURCE_DOES_NOT_EXIST']);
        assert.match(String(body['message']), /^Issue with ID 'iss-\w+' not found/);
      }
      for (const draft of [{ name: 'x', severity: 'fatal' }, { name: '' }, { name: 'x', status: 'open' }]) {
        const whole = { experiment_id: '0', description: 'd', ...draft };
        assert.equal((await call('POST', ISSUES, whole)).status, 400, JSON.stringify(draft));
      }
      assert.equal((await call('POST', `${ISSUES}/search`, { filter_string: "name = 'x'" })).status, 400);
    });
  });
});
