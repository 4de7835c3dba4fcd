import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { connect } from '#client';
import { mlflowClients, startServer } from './tracking-server.ts';

const FOLDER = process.env['KEDGE_TEST_MLFLOW_JAVA'];
const WITHIN_MS = 300_000;
/** The Java client hands files to MLflow's command line, of any version. */
const CLIENT = mlflowClients()[0];

const skip = FOLDER
  ? !CLIENT && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh, whose command line the Java client uses'
  : 'KEDGE_TEST_MLFLOW_JAVA names no folder made by tools/ci/java.sh';

test('the unmodified Java client tracks runs, sends files and reads the registry', {
  skip,
  timeout: WITHIN_MS,
}, async (t) => {
  assert.ok(FOLDER && CLIENT);
  const server = await startServer();
  t.after(() => server.stop());
  const { accounts } = connect({ url: server.url });
  await accounts.createUser({ body: { name: 'jo', roles: ['editor'] } });
  const { key } = await accounts.createUserKey({ params: { user: 'jo' }, body: { label: 'java' } });
  const path = `${join(CLIENT.python, '..')}:${process.env['PATH']}`;
  const env = { ...process.env, PATH: path, MLFLOW_DISABLE_TELEMETRY: 'true', OMP_NUM_THREADS: '1' };
  const args = ['-cp', `${join(FOLDER, 'classes')}:${join(FOLDER, 'lib')}/*`, 'Tracking', server.url, key];
  const { stdout } = await promisify(execFile)('java', args, { env, timeout: WITHIN_MS });
  assert.match(stdout, /^passed$/m);
});
