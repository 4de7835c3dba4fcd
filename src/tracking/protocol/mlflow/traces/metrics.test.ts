import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../../../index.ts';
import { serveMlflow } from '../testing.ts';

const V3 = '/api/3.0/mlflow/traces';
const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 31, 12);

interface Point {
  readonly metric_name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

/** Name, when in hours, how long in milliseconds, state, tokens and session of a trace. */
const TRACES: readonly (readonly [string, number, number, string, string, string?])[] = [
  ['ask', 0, 100, 'OK', '{"input_tokens": 10, "output_tokens": 1}', 'one'],
  ['ask', 0, 200, 'OK', '{"input_tokens": 20}', 'one'],
  ['ask', 1, 400, 'ERROR', 'no json', 'two'],
  ['sum', 1, 1_000, 'OK', '{"input_tokens": "many"}'],
];

function said(name: string, about: object): object {
  return { assessment_name: name, source: { source_type: 'CODE', source_id: 's' }, ...about };
}

const JUDGED = [
  [said('good', { feedback: { value: true } })],
  [said('good', { feedback: { value: 'no' } })],
  [said('good', { feedback: { value: 0.5 } }), said('answer', { expectation: { value: 42 } })],
  [],
];

forEachDialect('Figures of traces', trackingMigrations, (openDb) => {
  async function serve(t: TestContext) {
    const server = await serveMlflow(t, openDb, { role: 'admin' });
    const post = (path: string, body: object, project?: string) =>
      server.send('POST', `${V3}${path}`, {
        body: JSON.stringify(body),
        ...(project === undefined ? {} : { project }),
      });
    for (const [i, [name, hour, duration, state, usage, session]] of TRACES.entries()) {
      const trace_info = {
        trace_id: `tr-${i}`,
        trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: '0' } },
        request_time: new Date(START + hour * HOUR + i).toISOString(),
        execution_duration: `${duration / 1000}s`,
        state,
        tags: { 'mlflow.traceName': name, team: i < 2 ? 'risk' : 'credit' },
        trace_metadata: {
          'mlflow.trace.tokenUsage': usage,
          ...(session === undefined ? {} : { 'mlflow.trace.session': session }),
        },
        assessments: JUDGED[i],
      };
      const { status, body } = await post('', { trace: { trace_info } });
      assert.equal(status, 200, JSON.stringify(body));
    }
    const asked = async (question: object, project?: string): Promise<Point[]> => {
      const whole = { experiment_ids: ['0'], view_type: 'TRACES', ...question };
      const { status, body } = await post('/metrics', whole, project);
      assert.equal(status, 200, JSON.stringify(body));
      return body['data_points'] as Point[];
    };
    return { ...server, ask: post, asked };
  }
  const COUNT = [{ aggregation_type: 'COUNT' }];
  const percentile = (value: number) => ({ aggregation_type: 'PERCENTILE', percentile_value: value });

  test('are answered', async (t) => {
    const { ask, asked } = await serve(t);
    await t.test('are counted in groups, over time, and of chosen traces', async () => {
      const count = { metric_name: 'trace_count', aggregations: COUNT };
      assert.deepEqual(await asked({ ...count, dimensions: ['trace_name', 'trace_status'] }), [
        { metric_name: 'trace_count', dimensions: { trace_name: 'ask', trace_status: 'ERROR' }, values: { COUNT: 1 } },
        { metric_name: 'trace_count', dimensions: { trace_name: 'ask', trace_status: 'OK' }, values: { COUNT: 2 } },
        { metric_name: 'trace_count', dimensions: { trace_name: 'sum', trace_status: 'OK' }, values: { COUNT: 1 } },
      ]);
      const range = { start_time_ms: START, end_time_ms: START + 2 * HOUR, time_interval_seconds: 3_600 };
      const hours = await asked({ ...count, ...range });
      assert.deepEqual(
        hours.map(({ dimensions, values }) => [dimensions['time_bucket'], values['COUNT']]),
        [
          ['2026-01-31T12:00:00+00:00', 2],
          ['2026-01-31T13:00:00+00:00', 2],
        ],
      );
      assert.deepEqual((await asked({ ...count, filters: ["trace.tag.team = 'risk'"] }))[0]?.values, { COUNT: 2 });
      assert.deepEqual((await asked({ ...count, end_time_ms: START }))[0]?.values, { COUNT: 1 });
      assert.deepEqual((await asked({ metric_name: 'session_count', aggregations: COUNT }))[0]?.values, { COUNT: 2 });
      const ofSession = "trace.metadata.`mlflow.trace.session` = 'one'";
      assert.deepEqual((await asked({ ...count, filters: [ofSession, "trace.status = 'OK'"] }))[0]?.values, {
        COUNT: 2,
      });
    });

    await t.test('have averages and percentiles between the values, and none where nothing was measured', async () => {
      const spread = [{ aggregation_type: 'AVG' }, percentile(50), percentile(75), percentile(100)];
      const latency = { metric_name: 'latency', aggregations: spread, dimensions: ['trace_name'] };
      const [ask, sum, ...more] = await asked(latency);
      assert.deepEqual(more, []);
      assert.deepEqual(ask?.values, { AVG: 700 / 3, 'P50.0': 200, 'P75.0': 300, 'P100.0': 400 });
      assert.deepEqual(sum?.values, { AVG: 1_000, 'P50.0': 1_000, 'P75.0': 1_000, 'P100.0': 1_000 });
      const total = [{ aggregation_type: 'SUM' }, percentile(25)];
      const [tokens] = await asked({ metric_name: 'input_tokens', aggregations: total });
      assert.deepEqual(tokens?.values, { SUM: 30, 'P25.0': 12.5 });
      assert.deepEqual(await asked({ metric_name: 'total_tokens', aggregations: total }), []);
    });

    await t.test('of assessments take yes, no, true and false for numbers', async () => {
      const aggregations = [{ aggregation_type: 'AVG' }, { aggregation_type: 'MAX' }];
      const question = { view_type: 'ASSESSMENTS', metric_name: 'assessment_value', dimensions: ['assessment_name'] };
      assert.deepEqual(
        (await asked({ ...question, aggregations })).map(({ dimensions, values }) => [dimensions, values]),
        [
          [{ assessment_name: 'answer' }, { AVG: 42, MAX: 42 }],
          [{ assessment_name: 'good' }, { AVG: 0.5, MAX: 1 }],
        ],
      );
      const filters = ["assessment.type = 'feedback'", "trace.status = 'OK'"];
      const counted = { view_type: 'ASSESSMENTS', metric_name: 'assessment_count', aggregations: COUNT, filters };
      assert.deepEqual((await asked(counted))[0]?.values, { COUNT: 2 });
    });

    await t.test('that nobody measures are refused with what there is, and other projects see nothing', async () => {
      const fine = {
        experiment_ids: ['0'],
        view_type: 'TRACES',
        metric_name: 'latency',
        aggregations: [percentile(50)],
      };
      for (const [change, said] of [
        [{ metric_name: 'speed' }, /^metric_name must be one of \['trace_count', .*got 'speed'/],
        [{ aggregations: [] }, /^aggregations must have at least one of /],
        [{ aggregations: COUNT }, /Found invalid aggregation_type\(s\): \['COUNT'\]/],
        [{ dimensions: ['span_name'] }, /Found invalid dimension\(s\): \['span_name'\]/],
        [{ time_interval_seconds: 60 }, /start_time_ms and end_time_ms are required/],
        [{ filters: ["span.name = 'a'"] }, /Filtering by span is only supported for SPANS/],
        [{ filters: ["trace.colour = 'red'"] }, /'colour' is not a key of trace/],
        [{ aggregations: [{ aggregation_type: 'PERCENTILE' }] }, /percentile_value.*PERCENTILE needs it/],
        [{ aggregations: [percentile(101)] }, /expected 0 to 100/],
      ] as const) {
        const { status, body } = await ask('/metrics', { ...fine, ...change });
        assert.equal(status, 400, JSON.stringify(change));
        assert.match(String(body['message']), said);
      }
      assert.deepEqual(await asked(fine, 'elsewhere'), []);
    });

    await t.test('tell how two filters go together', async () => {
      const correlate = async (filter_string1: string, filter_string2: string, base_filter = '') =>
        (
          await ask('/calculate-filter-correlation', {
            experiment_ids: ['0'],
            filter_string1,
            filter_string2,
            base_filter,
          })
        ).body;
      const { npmi, npmi_smoothed, ...counts } = await correlate("tags.team = 'risk'", "status = 'OK'");
      assert.deepEqual(counts, { filter1_count: 2, filter2_count: 3, joint_count: 2, total_count: 4 });
      // ln((2·4)/(2·3)) / ln(4/2), and with half a trace more in each cell ln((2.5·6)/(3·4)) / ln(6/2.5).
      assert.ok(Math.abs(Number(npmi) - Math.log(8 / 6) / Math.log(2)) < 1e-12, String(npmi));
      assert.ok(Math.abs(Number(npmi_smoothed) - Math.log(15 / 12) / Math.log(6 / 2.5)) < 1e-12, String(npmi_smoothed));
      assert.equal((await correlate("status = 'ERROR'", "name = 'sum'"))['npmi'], -1);
      assert.equal((await correlate("status = 'ERROR'", "name = 'no such'"))['npmi'], 'NaN');
      assert.equal((await correlate("name = 'sum'", "status = 'OK'", "name = 'sum'"))['npmi'], 1);
    });
  });
});
