import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { openDataDir } from '../../data-dir.ts';
import { startGatewayProcess } from '../../gateway/gateway.ts';
import { kedge } from '../testing.ts';

const skip = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed';

describe('doctor, where the gateway speaks TLS', { skip }, () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-doctor-tls-'));
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    for (const name of ['server', 'other', 'clients']) {
      const out = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-days', '5', '-subj', `/CN=${name}`];
      execFileSync('openssl', ['req', '-x509', ...newKey, ...out], { stdio: 'ignore' });
    }
  });
  after(() => rm(folder, { recursive: true, maxRetries: 5 }));

  /** What doctor says of a gateway with the certificate `server`, when it is told of another one or the same. */
  async function said({ clientCa = '', told = 'server' } = {}) {
    const config = loadConfig(
      {
        ...{
          dataDir: file(`data-${clientCa === '' ? '' : 'mutual-'}${told}`),
          gatewayPort: 0,
          grpcPort: 0,
          logLevel: 'fatal',
        },
        ...{ controlPlaneUrl: 'http://127.0.0.1:9', tlsClientCa: clientCa },
        ...{ tlsCert: file('server.pem'), tlsKey: file('server.key') },
      },
      {},
    );
    const [logger, metrics] = [createLogger('test', 'fatal'), createMetrics('test')];
    const dataDir = openDataDir(config.dataDir);
    const gateway = await startGatewayProcess({ role: 'test', config, dataDir, system: realSystem(), logger, metrics });
    try {
      const { port } = new URL(gateway.ready['url'] ?? '');
      const env = { KEDGE_GATEWAY_PORT: port, KEDGE_TLS_CERT: file(`${told}.pem`), KEDGE_TLS_KEY: file(`${told}.key`) };
      const { stdout } = await kedge(['doctor', '--json', '--data', file('empty')], env);
      const findings = JSON.parse(stdout) as {
        readonly check: string;
        readonly status: string;
        readonly detail: string;
      }[];
      return findings.find(({ check }) => check === 'gateway') ?? assert.fail(stdout);
    } finally {
      await gateway.stop();
    }
  }

  test('tells that it answers, and until when its certificate holds', async () => {
    const { status, detail } = await said();
    assert.equal(status, 'ok', detail);
    assert.match(detail, /^answers at https:\/\/\S+ with a certificate until \d{4}-\d\d-\d\d, which is in [45] days$/);
  });

  test('tells that it asks clients for certificates', async () => {
    const { status, detail } = await said({ clientCa: file('clients.pem') });
    assert.equal(status, 'ok', detail);
    assert.match(detail, /asks clients for theirs, and doctor has none$/);
  });

  test('fails where another certificate is presented than is configured', async () => {
    const { status, detail } = await said({ told: 'other' });
    assert.equal(status, 'failed');
    assert.match(detail, /presents another certificate than \S+other\.pem has: restart it/);
  });
});
