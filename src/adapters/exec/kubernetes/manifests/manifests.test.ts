import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { type ExecutionRequest, executorErrors } from '#ports/executor';
import { accessManifests } from './access.ts';
import { type ExecutionJobOptions, executionJob, executionSecrets } from './execution-job.ts';
import { labelValue, objectName } from './names.ts';
import type { Manifest } from './objects.ts';
import { type PodOptions, verbatim } from './pod.ts';
import { type TorchrunOptions, torchrunManifests } from './torchrun.ts';
import { type WorkerJobOptions, workerDeployment, workerJob } from './worker-pool.ts';

const schemas = process.env['KEDGE_TEST_KUBERNETES_SCHEMAS'];
const skip = schemas ? false : 'KEDGE_TEST_KUBERNETES_SCHEMAS is not set; tools/ci/kubernetes-schemas.sh fetches them';
const invalid = { code: executorErrors.invalid.code };

const pod: PodOptions = {
  image: 'registry.example/train@sha256:0123',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: ['registry'],
  serviceAccount: 'steps',
  nodeSelector: { pool: 'gpu' },
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
  priorityClass: 'batch',
  user: 1000,
  group: 2000,
  folders: [
    { path: '/shared', claim: 'kedge', subPath: 'scratch' },
    { path: '/data', claim: 'kedge', subPath: 'data', readOnly: true },
  ],
  labels: { team: 'delays' },
};
const request: ExecutionRequest = {
  id: 'attempt_01K/Ärger',
  command: ['/bin/sh', '-c', 'echo $HOME $(date) $$'],
  cwd: '/shared/work',
  env: { KEDGE_TOKEN: 'secret words', EMPTY: '' },
  stdin: Buffer.from('input'),
  limits: { wallMs: 90_500, outputBytesMax: 1_000, graceMs: 2_500 },
};
const options: ExecutionJobOptions = {
  namespace: 'steps',
  owner: 'worker 1@host',
  start: 'start_1',
  pod,
  resources: { cpu: 1.5, memoryGiB: 2.5, gpu: 2 },
  startMsMax: 60_000,
  keepMs: 600_000,
  queue: 'team-a',
  ownerPod: { name: 'worker-1', uid: 'uid-of-pod' },
};
const training: TorchrunOptions = {
  name: 'delays-ddp',
  namespace: 'training',
  pod,
  script: ['train.py', '--epochs', '3'],
  nodes: 2,
  processesPerNode: 4,
  resources: { cpu: 8, memoryGiB: 32, gpu: 4 },
  checkpoints: '/shared/checkpoints',
  secret: 'kedge-token',
  env: { PRICE: '$5' },
  queue: 'team-a',
  wallMs: 86_400_000,
};
const pool: WorkerJobOptions = {
  name: 'fan-out',
  namespace: 'steps',
  pod,
  workers: 50,
  slots: 4,
  resources: { cpu: 4, memoryGiB: 8 },
  url: 'http://kedge.kedge.svc:4600',
  secret: 'kedge-token',
  dataDir: '/shared/data',
  wallMs: 3_600_000,
  queue: 'team-a',
};

describe('the Job of an execution', () => {
  const job = executionJob(request, options);
  const spec = job.spec.template.spec;
  const [container] = spec.containers;

  it('never runs a command twice, ends it by its own deadline, and goes by itself', () => {
    const { backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished, suspend } = job.spec;
    assert.deepEqual([backoffLimit, spec.restartPolicy, suspend], [0, 'Never', true]);
    assert.deepEqual([activeDeadlineSeconds, ttlSecondsAfterFinished], [153, 600]);
    assert.equal(spec.terminationGracePeriodSeconds, 3);
    assert.equal(job.metadata.labels?.['kueue.x-k8s.io/queue-name'], 'team-a');
    assert.equal(executionJob(request, { ...options, queue: '' }).spec.suspend, undefined);
  });

  it('asks for what the step is granted, and limits it to that', () => {
    const amounts = { cpu: '1500m', memory: '2560Mi', 'nvidia.com/gpu': '2' };
    assert.deepEqual(container.resources, { requests: amounts, limits: amounts });
    const granted = (resources: Record<string, number>) => () => executionJob(request, { ...options, resources });
    assert.throws(granted({ tpu: 1 }), invalid);
    assert.throws(granted({ gpu: 0.5 }), invalid);
    assert.throws(granted({ cpu: -1 }), invalid);
    const named = { ...options, pod: { ...pod, resourceNames: { tpu: 'google.com/tpu' } }, resources: { tpu: 4 } };
    assert.deepEqual(executionJob(request, named).spec.template.spec.containers[0].resources?.limits, {
      'google.com/tpu': '4',
    });
  });

  it('keeps the environment and the input out of the Job, in Secrets that belong to it', () => {
    const text = JSON.stringify(job);
    assert.doesNotMatch(text, /secret words|c2VjcmV0/);
    const [env, input, ...rest] = executionSecrets(request, { ...options, jobUid: 'uid-of-job' });
    assert.deepEqual(env?.data, { KEDGE_TOKEN: Buffer.from('secret words').toString('base64'), EMPTY: '' });
    assert.deepEqual(Object.values(input?.data ?? {}), [Buffer.from('input').toString('base64')]);
    assert.deepEqual(rest, []);
    assert.deepEqual(
      env?.metadata.ownerReferences?.map(({ kind, uid }) => [kind, uid]),
      [['Job', 'uid-of-job']],
    );
    assert.deepEqual(container.envFrom, [{ secretRef: { name: env?.metadata.name } }]);
  });

  it('runs as nobody special, without the token of its account', () => {
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 2000,
      fsGroup: 2000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('splits input that is larger than a Secret, and refuses what is larger than eight', () => {
    const large = { ...request, env: {}, stdin: Buffer.alloc(2_500_000, 'x') };
    const secrets = executionSecrets(large, { ...options, jobUid: 'uid' });
    const bytes = secrets.map(({ data }) => Buffer.from(Object.values(data)[0] ?? '', 'base64').length);
    assert.deepEqual(bytes, [1_000_000, 1_000_000, 500_000]);
    const volumes = executionJob(large, options).spec.template.spec.volumes?.map(({ name }) => name);
    assert.deepEqual(volumes, ['folder-kedge', 'input', 'joined']);
    assert.throws(() => executionJob({ ...request, stdin: Buffer.alloc(8_000_001) }, options), invalid);
  });

  it('gives words to the container as they are, whatever Kubernetes expands in them', () => {
    const expand = (text: string): string =>
      text.replaceAll(/\$(\$|\([^)]*\))/g, (_, found: string) => (found === '$' ? '$' : 'EXPANDED'));
    assert.equal(expand('$(HOME)'), 'EXPANDED');
    const text = fc.string({ unit: fc.constantFrom('$', '(', ')', 'A', ' ') });
    fc.assert(fc.property(text, (word) => assert.equal(expand(verbatim(word)), word)));
  });
});

describe('names of objects', () => {
  it('are DNS labels with room for the name of a pod, the same for the same id and different for others', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), fc.string(), (id, other) => {
        assert.match(objectName(id), /^[a-z]([a-z0-9-]*[a-z0-9])?$/);
        assert.ok(objectName(id).length <= 52);
        assert.equal(objectName(id), objectName(id));
        if (id !== other) assert.notEqual(objectName(id), objectName(other));
      }),
    );
  });

  it('as label values are what Kubernetes admits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (text) => {
        assert.match(labelValue(text), /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
      }),
    );
    assert.equal(labelValue('worker-1'), 'worker-1');
  });
});

describe('a training with torchrun', () => {
  const [service, job] = torchrunManifests(training);
  const [agent] = job.spec.template.spec.containers;

  it('has a pod for each node, which find pod 0 by the name that the Service gives it', () => {
    assert.deepEqual([job.spec.completionMode, job.spec.completions, job.spec.parallelism], ['Indexed', 2, 2]);
    assert.equal(service.spec.clusterIP, 'None');
    assert.equal(job.spec.template.spec.subdomain, service.metadata.name);
    const labels = job.spec.template.metadata.labels;
    for (const [name, value] of Object.entries(service.spec.selector)) assert.equal(labels[name], value);
    assert.ok(agent.args?.includes('--rdzv-endpoint=delays-ddp-0.delays-ddp.training.svc:29400'));
    assert.deepEqual(agent.args?.slice(-3), training.script);
  });

  it('restarts, without counting pods that the cluster took away, and continues from a shared folder', () => {
    assert.equal(job.spec.backoffLimit, 3);
    assert.ok(agent.args?.includes('--max-restarts=3'));
    assert.deepEqual(
      job.spec.podFailurePolicy?.rules.map(({ action }) => action),
      ['Ignore'],
    );
    assert.deepEqual(agent.env, [
      { name: 'PRICE', value: '$$5' },
      { name: 'KEDGE_CHECKPOINTS', value: '/shared/checkpoints' },
    ]);
    assert.throws(() => torchrunManifests({ ...training, checkpoints: '/tmp' }), invalid);
    assert.throws(() => torchrunManifests({ ...training, checkpoints: '/data/checkpoints' }), invalid);
  });

  it('refuses names and numbers that no cluster takes', () => {
    const bad: readonly Partial<TorchrunOptions>[] = [
      { name: 'Upper' },
      { name: 'x'.repeat(53) },
      { nodes: 0 },
      { nodes: 1.5 },
      { processesPerNode: 0 },
      { script: [] },
    ];
    for (const changes of bad) assert.throws(() => torchrunManifests({ ...training, ...changes }), invalid);
  });
});

describe('a pool of workers', () => {
  it('is one Job with as many pods as workers, each named after its pod', () => {
    const { spec } = workerJob(pool);
    assert.deepEqual([spec.completions, spec.parallelism, spec.suspend], [50, 50, true]);
    const [container] = spec.template.spec.containers;
    assert.deepEqual(container.envFrom, [{ secretRef: { name: 'kedge-token' } }]);
    assert.deepEqual(container.env?.at(-1), {
      name: 'KEDGE_WORKER_NAME',
      valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
    });
    assert.throws(() => workerJob({ ...pool, workers: 0 }), invalid);
    assert.throws(() => workerDeployment({ ...pool, slots: 65 }), invalid);
  });
});

describe('the published schemas of Kubernetes', { skip }, () => {
  const bare = { ...request, id: 'bare', env: {}, stdin: Buffer.alloc(0) };
  const manifests: readonly Manifest[] = [
    executionJob(request, options),
    executionJob({ ...request, stdin: Buffer.alloc(1_000_001) }, options),
    executionJob(bare, { namespace: 'steps', owner: 'w', start: 's', pod: { image: 'i' }, startMsMax: 1, keepMs: 0 }),
    ...executionSecrets(request, { ...options, jobUid: 'uid' }),
    ...torchrunManifests(training),
    workerDeployment(pool),
    workerJob(pool),
    ...accessManifests({ namespace: 'steps' }),
  ];
  for (const version of schemas ? readdirSync(schemas) : []) {
    it(`take every manifest without a field they do not know, in ${version}`, () => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      const read = (file: string) => JSON.parse(readFileSync(join(schemas ?? '', version, file), 'utf8'));
      ajv.addSchema(read('_definitions.json'));
      const validatorOf = ({ apiVersion, kind }: Manifest): ValidateFunction => {
        const group = apiVersion.replace(/^([^./]*)(\.[^/]*)?\//, '$1-');
        const schema = read(`${kind.toLowerCase()}-${group}.json`);
        return ajv.getSchema(schema.$id) ?? ajv.compile(schema);
      };
      for (const manifest of manifests) {
        const validate = validatorOf(manifest);
        assert.ok(validate(manifest), `${manifest.kind}: ${ajv.errorsText(validate.errors)}`);
        const misspelt = { ...manifest, metadata: { ...manifest.metadata, label: {} } };
        assert.equal(validate(misspelt), false);
      }
    });
  }
});
