import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { realSystem } from '#core/system';
import { configErrors } from '#platform/config';
import { grantedTo, openKubernetes } from './kubernetes-executor.ts';

describe('the options of Kubernetes Jobs', () => {
  it('open an executor that begins by sweeping what its worker left, and name what is wrong', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kedge-options-'));
    const asked: URL[] = [];
    const server = createServer((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://api'));
      response.end('{"metadata":{"resourceVersion":"1"},"items":[]}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(
      kubeconfig,
      `current-context: a
contexts: [{ name: a, context: { cluster: a, namespace: steps } }]
clusters: [{ name: a, cluster: { server: 'http://127.0.0.1:${port}' } }]`,
    );
    const path = join(folder, 'options.yaml');
    const open = async (text: string) => {
      await writeFile(path, text);
      return openKubernetes(path, { system: realSystem(), owner: 'worker-1@host', environment: {} });
    };
    try {
      const pod = `{ image: 'registry.example/steps:1', folders: [{ path: ${folder}, claim: scratch }] }`;
      const executor = await open(`kubeconfig: ${kubeconfig}\nresources: { cpu: 2 }\npod: ${pod}`);
      await executor.close();
      assert.deepEqual(
        asked.map(({ pathname }) => pathname),
        ['/apis/batch/v1/namespaces/steps/jobs'],
      );
      assert.match(asked[0]?.searchParams.get('labelSelector') ?? '', /kedge\.dev\/owner=worker-1-host-/);
      const refused = (message: RegExp) => ({ code: configErrors.invalid.code, message });
      await assert.rejects(open('pod: {}'), refused(/KEDGE_KUBERNETES .*pod\.image/s));
      await assert.rejects(open(`pod: ${pod}\nimage: other`), refused(/"image"/));
      await assert.rejects(open('{'), refused(/KEDGE_KUBERNETES/));
    } finally {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    }
  });

  it('grant a step what it asks for, and what is usual of all that it does not ask for', () => {
    assert.deepEqual(grantedTo({ resources: {} }, { cpu: 2, memoryGiB: 4 }), { cpu: 2, memoryGiB: 4 });
    assert.deepEqual(grantedTo({ resources: { cpu: 8, gpu: 1 } }, { cpu: 2, memoryGiB: 4 }), {
      ...{ cpu: 8, memoryGiB: 4, gpu: 1 },
    });
    assert.deepEqual(grantedTo({}), {});
  });
});
