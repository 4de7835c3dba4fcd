import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from '../mlflow/tracking-server.ts';

const PYTHON = process.env['KEDGE_TEST_OTEL'] ?? '';
const SCRIPT = fileURLToPath(new URL('./export.py', import.meta.url));
const WITHIN_MS = 120_000;

const skip = !existsSync(PYTHON) && 'KEDGE_TEST_OTEL names no Python made by tools/ci/otel.sh';
for (const compression of ['none', 'gzip', 'deflate']) {
  const name = `OpenTelemetry's Python exporter sends a trace of 1,502 spans (compression: ${compression})`;
  test(name, { skip, timeout: WITHIN_MS }, async (t) => {
    const server = await startServer();
    t.after(() => server.stop());
    const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, server.url, '0', compression], {
      timeout: WITHIN_MS,
    });
    const trace = `tr-${stdout.trim()}`;
    const found = await fetch(`${server.url}/api/3.0/mlflow/traces/get?trace_id=${trace}`);
    const { trace: told } = (await found.json()) as {
      trace: { trace_info: { state: string; tags: Record<string, string> }; spans: Record<string, unknown>[] };
    };
    assert.equal(told.spans.length, 1_502);
    assert.deepEqual([told.trace_info.state, told.trace_info.tags['mlflow.traceName']], ['OK', 'order']);
    const step = told.spans.find(({ name: named }) => named === 'step 7');
    assert.deepEqual(step?.['attributes'], [
      { key: 'i', value: { intValue: '7' } },
      { key: 'half', value: { doubleValue: 3.5 } },
      { key: 'even', value: { boolValue: false } },
      { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
    ]);
    const locations = [{ mlflow_experiment: { experiment_id: '0' } }];
    const filter = "span.name = 'pay' AND span.status = 'ERROR' AND text LIKE '%no funds%'";
    const body = JSON.stringify({ locations, filter });
    const searched = await fetch(`${server.url}/api/3.0/mlflow/traces/search`, { method: 'POST', body });
    const { traces } = (await searched.json()) as { traces: { trace_id: string }[] };
    assert.deepEqual(
      traces.map(({ trace_id }) => trace_id),
      [trace],
    );
  });
}
