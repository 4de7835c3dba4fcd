import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ManualClock } from '#core/clock';
import { inClusterAccess, kubernetesErrors } from './access.ts';
import { ApiError, KubernetesApi } from './client.ts';
import { kubeconfigAccess } from './kubeconfig.ts';

const invalid = (message: RegExp) => ({ code: kubernetesErrors['invalid-config'].code, message });

describe('access to an API server', () => {
  let folder: string;
  let server: Server;
  let address: URL;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const path = (name: string): string => join(folder, name);
  /** Answers with what the server saw of the client. */
  const mirror = (request: IncomingMessage, response: ServerResponse): void => {
    const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
    response.end(JSON.stringify({ token: request.headers.authorization, url: request.url, certificate: CN }));
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-access-'));
    const openssl = (...words: string[]): void => void execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' });
    await writeFile(path('names'), 'subjectAltName=DNS:kubernetes.default.svc,IP:127.0.0.1');
    await writeFile(path('names-elsewhere'), 'subjectAltName=DNS:kubernetes.default.svc');
    for (const authority of ['ca', 'other']) {
      const files = ['-keyout', `${authority}.key`, '-out', `${authority}.crt`];
      openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${authority}`, ...files);
    }
    for (const name of ['server', 'admin']) {
      openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', 'csr');
      const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names', '-days', '2'];
      openssl('x509', '-req', '-in', 'csr', ...signed, '-out', `${name}.crt`);
    }
    const [key, cert, ca] = await Promise.all(
      ['server.key', 'server.crt', 'ca.crt'].map((name) => readFile(path(name))),
    );
    const options = { key, cert, ca, requestCert: true, rejectUnauthorized: false };
    server = createServer(options, (request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  beforeEach(() => {
    answer = mirror;
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  const environment = (): Record<string, string> => ({
    KUBERNETES_SERVICE_HOST: address.hostname,
    KUBERNETES_SERVICE_PORT: address.port,
  });
  const kubeconfig = async (user: object, cluster: object = { 'certificate-authority': 'ca.crt' }): Promise<string> => {
    const config = {
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'steps' } }],
      clusters: [{ name: 'c', cluster: { server: `${address.origin}/clusters/c/`, ...cluster } }],
      users: [{ name: 'u', user }],
    };
    await writeFile(path('config'), JSON.stringify(config));
    return path('config');
  };

  it('is that of the service account in a pod, whose token is read again when it was renewed', async () => {
    await writeFile(path('token'), 'first\n');
    await writeFile(path('namespace'), 'steps');
    const clock = new ManualClock();
    const access = await inClusterAccess({ environment: environment(), folder });
    const api = new KubernetesApi(access, clock);
    const token = async (): Promise<unknown> => (await api.call<{ token: string }>('GET', '/version')).token;
    assert.equal(api.namespace, 'steps');
    assert.equal(await token(), 'Bearer first');
    await writeFile(path('token'), 'second');
    assert.equal(await token(), 'Bearer first');
    await clock.advance(60_000);
    assert.equal(await token(), 'Bearer second');
    // Sooner than that, if the server does not take it any more.
    await writeFile(path('token'), 'third');
    answer = (request, response) => {
      if (request.headers.authorization === 'Bearer third') mirror(request, response);
      else response.writeHead(401).end('{"reason":"Unauthorized"}');
    };
    assert.equal(await token(), 'Bearer third');
    await writeFile(path('token'), 'wrong');
    answer = (_, response) => void response.writeHead(401).end('{"reason":"Unauthorized","message":"who?"}');
    await assert.rejects(token(), (error) => error instanceof ApiError && error.status === 401 && error.isPassing);
    api.close();
    await assert.rejects(inClusterAccess({ environment: {} }), invalid(/not a pod/));
    const elsewhere = inClusterAccess({ environment: environment(), folder: join(folder, 'nowhere') });
    await assert.rejects(elsewhere, invalid(/nowhere\/namespace' cannot be read/));
  });

  it('does not talk to a server that another authority has certified', async () => {
    const api = new KubernetesApi(
      await kubeconfigAccess({ path: await kubeconfig({}, { 'certificate-authority': 'other.crt' }) }),
      new ManualClock(),
    );
    await assert.rejects(api.call('GET', '/version'), /certificate/);
    const open = await kubeconfig({}, { 'insecure-skip-tls-verify': true });
    await assert.rejects(kubeconfigAccess({ path: open }), invalid(/insecure-skip-tls-verify is not supported/));
  });

  it('follows a kubeconfig: certificates beside it or in it, and the path of the server', async () => {
    const byFile = { 'client-certificate': 'admin.crt', 'client-key': 'admin.key' };
    const base64 = async (name: string): Promise<string> => (await readFile(path(name))).toString('base64');
    const byData = {
      'client-certificate-data': await base64('admin.crt'),
      'client-key-data': await base64('admin.key'),
    };
    for (const user of [byFile, byData]) {
      const access = await kubeconfigAccess({ path: await kubeconfig(user) });
      assert.equal(access.namespace, 'steps');
      const api = new KubernetesApi(access, new ManualClock());
      const seen = await api.call<object>('GET', '/version', { query: { watch: true, continue: undefined } });
      assert.deepEqual(seen, { url: '/clusters/c/version?watch=true', certificate: 'admin' });
      api.close();
    }
  });

  it('asks the command of a kubeconfig for a token, and again when that has expired', async () => {
    const script = `#!/bin/sh
      count=$(cat "$COUNT" 2>/dev/null || echo 0)
      echo $((count + 1)) > "$COUNT"
      [ -n "$KUBERNETES_EXEC_INFO" ] || exit 1
      echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
        "status":{"token":"token-'$count'","expirationTimestamp":"2001-01-01T00:00:10Z"}}'`;
    await writeFile(path('login'), script);
    await chmod(path('login'), 0o755);
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: './login',
      env: [{ name: 'COUNT', value: path('count') }],
    };
    const clock = new ManualClock();
    const options = { path: await kubeconfig({ exec }), environment: { PATH: process.env['PATH'] } };
    const api = new KubernetesApi(await kubeconfigAccess(options), clock);
    const token = async (): Promise<string> => (await api.call<{ token: string }>('GET', '/version')).token;
    assert.deepEqual([await token(), await token()], ['Bearer token-0', 'Bearer token-0']);
    await clock.advance(10_000);
    assert.equal(await token(), 'Bearer token-1');
    api.close();
    const broken = await kubeconfig({ exec: { ...exec, command: './missing' } });
    const credentials = (await kubeconfigAccess({ path: broken })).credentials();
    await assert.rejects(credentials, invalid(/the command '.\/missing' gave no credentials/));
  });

  it('says what is wrong with a kubeconfig', async () => {
    const file = async (text: string): Promise<string> => {
      await writeFile(path('bad'), text);
      return path('bad');
    };
    await assert.rejects(kubeconfigAccess({ path: join(folder, 'absent') }), invalid(/absent' cannot be read/));
    await assert.rejects(kubeconfigAccess({ path: await file('{') }), invalid(/not YAML/));
    await assert.rejects(kubeconfigAccess({ path: await file('{}') }), invalid(/no current context/));
    await assert.rejects(kubeconfigAccess({ path: await file('clusters: 5') }), invalid(/expected array/));
    const other = kubeconfigAccess({ path: await kubeconfig({}), context: 'there' });
    await assert.rejects(other, invalid(/it has no context 'there'/));
    await assert.rejects(kubeconfigAccess({ path: await kubeconfig({ username: 'me' }) }), invalid(/passwords/));
  });

  it('sends no token over plain HTTP to another machine, but to a proxy on this one', async () => {
    const access = (server: string) => ({
      server: new URL(server),
      namespace: 'default',
      credentials: async () => ({ token: 'secret' }),
    });
    const afar = new KubernetesApi(access('http://192.0.2.1:8001'), new ManualClock());
    await assert.rejects(afar.call('GET', '/version'), invalid(/not encrypted/));
    const proxy = createHttpServer((_, response) => void response.end('{"major":"1"}'));
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const near = new KubernetesApi(access(`http://127.0.0.1:${port}`), new ManualClock());
    assert.deepEqual(await near.call('GET', '/version'), { major: '1' });
    near.close();
    proxy.close();
  });

  it('tells refusals apart from what may pass, and how long a busy server wants to be left alone', async () => {
    const api = new KubernetesApi(await kubeconfigAccess({ path: await kubeconfig({}) }), new ManualClock());
    const status = async (code: number, body: string, headers = {}): Promise<ApiError> => {
      answer = (_, response) => void response.writeHead(code, headers).end(body);
      const error = await api.call('GET', '/x').catch((thrown) => thrown);
      assert.ok(error instanceof ApiError);
      return error;
    };
    const conflict = await status(409, '{"reason":"AlreadyExists","message":"jobs \\"a\\" already exists"}');
    assert.deepEqual([conflict.status, conflict.reason, conflict.isPassing], [409, 'AlreadyExists', false]);
    assert.equal(conflict.message, 'jobs "a" already exists');
    const busy = await status(429, 'too many', { 'retry-after': '7' });
    assert.deepEqual([busy.isPassing, busy.retryAfterMs, busy.message], [true, 7_000, 'too many']);
    assert.equal((await status(200, 'no json')).isPassing, true);
    answer = (_, response) => void response.destroy();
    const lost: unknown = await api.call('GET', '/x').catch((thrown) => thrown);
    assert.ok(lost instanceof ApiError);
    assert.deepEqual([lost.status, lost.isPassing], [0, true]);
    api.close();
  });
});
