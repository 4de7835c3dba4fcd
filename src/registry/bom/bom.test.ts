import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SPDX } from '@cyclonedx/cyclonedx-library';
import fc from 'fast-check';
import { digestOf } from '#core/hash';
import type { Json } from '#core/json';
import type { Evidence, ModelVersion } from '../shapes.ts';
import { bomOf } from './document.ts';
import type { BomFacts, RunLineage } from './facts.ts';
import { licenceOf } from './licences.ts';
import { readRequirements } from './requirements.ts';
import { bomProblems } from './validate.ts';

const spdxIdOf = (text: string) => SPDX.fixupSpdxId(text);
const artifact = (path: string) => ({ path, digest: digestOf(path), bytes: path.length });

const version = (change: Partial<ModelVersion> = {}): ModelVersion => ({
  model: 'delays',
  version: 3,
  semanticVersion: '1.2.0',
  digest: digestOf('version'),
  runId: 'run-1',
  modelId: null,
  source: '',
  runLink: '',
  cause: { kind: 'rule', id: 'rule/retrain', depth: 1 },
  artifacts: [artifact('MLmodel'), artifact('model.onnx'), artifact('requirements.txt')],
  modelFile: artifact('model.onnx'),
  signature: { inputs: [{ name: 'distance', kind: 'numeric' }], output: 'probability' },
  schema: null,
  status: 'ready',
  statusMessage: '',
  stage: 'Proposal',
  stageStatus: 'InProgress',
  description: 'Will the flight be late?',
  tags: {},
  aliases: [],
  createdAt: Date.parse('2026-06-01T00:00:00Z'),
  createdBy: 'user:ada',
  author: null,
  updatedAt: 0,
  deletedAt: null,
  ...change,
});

const evidence = (kind: string, data: Json, passed: boolean | null = null): Evidence => ({
  id: `ev-${kind}`,
  kind,
  passed,
  data,
  digest: digestOf(JSON.stringify(data)),
  by: 'user:ada',
  at: Date.parse('2026-06-02T00:00:00Z'),
});

const lineage: RunLineage = {
  run: 'run-1',
  name: 'nightly',
  startedAt: Date.parse('2026-05-31T22:00:00Z'),
  endedAt: Date.parse('2026-05-31T22:10:00Z'),
  params: { depth: '6' },
  datasets: [
    { name: 'flights', digest: digestOf('flights'), source: 's3://key:secret@bucket/f?sig=abc', context: 'training' },
    { name: 'weather', digest: 'a1b2c3d4', source: null, context: null },
    { name: 'weather', digest: 'a1b2c3d4', source: null, context: 'validation' },
  ],
};

const facts = (change: Partial<BomFacts> = {}): BomFacts => ({
  version: version(),
  evidence: [
    evidence('evaluation', { metrics: { auc: 0.74, ece: 0.02, note: 'text' } }, true),
    evidence('licenses', {
      model: 'apache-2.0',
      packages: [
        { name: 'Scikit_Learn', license: 'BSD-3-Clause' },
        { name: 'numpy', license: 'BSD-3-Clause AND (MIT OR Zlib)' },
      ],
      datasets: [{ name: 'flights', license: 'Public domain, as its owner says' }],
    }),
    evidence('model-card', {
      approach: 'supervised',
      useCases: ['warn passengers'],
      ethicalConsiderations: [{ name: 'none known' }],
      fairnessAssessments: [{ groupAtRisk: 'small airports', mitigationStrategy: 'reviewed monthly' }],
    }),
    evidence('signature', { bundle: { digest: digestOf('bundle'), bytes: 9 } }, true),
  ],
  lineage,
  files: {
    'requirements.txt':
      'mlflow==3.17.2\nscikit-learn==1.9.1 ; python_version > "3.9"\nnumpy>=2\n' +
      '-r more.txt\nown @ https://ci:secret@host/own.whl\n',
    MLmodel: 'flavors:\n  sklearn:\n    sklearn_version: 1.9.1\n  python_function: {}\n',
    'python_env.yaml': 'python: 3.11.7\n',
  },
  ...change,
});

interface Part {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly [field: string]: unknown;
}
interface Document {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Record<string, never> & { modelCard: Card } };
  readonly components: readonly Part[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
  readonly [field: string]: unknown;
}
interface Card {
  readonly modelParameters: Record<string, unknown>;
  readonly quantitativeAnalysis?: { readonly performanceMetrics: unknown };
  readonly considerations?: Record<string, unknown>;
}
const exported = (change: Partial<BomFacts> = {}) =>
  JSON.parse(JSON.stringify(bomOf(facts(change), spdxIdOf))) as Document;

test('the official schema accepts the bill of materials of a version with everything', async () => {
  assert.deepEqual(await bomProblems(JSON.stringify(exported())), []);
});

test('the official schema refuses what is not CycloneDX 1.7', async () => {
  const good = exported();
  const broken = { ...good, metadata: { ...good.metadata, component: { type: 'model', name: 'delays' } } };

  assert.notDeepEqual(await bomProblems(JSON.stringify(broken)), []);
  assert.notDeepEqual(await bomProblems(JSON.stringify({ ...good, specVersion: '1.6', extra: 1 })), []);
});

test('the published ML-BOMs of 1.7 are valid for our validator, too', async (t) => {
  const folder = fileURLToPath(new URL('../../../../shared/data/cyclonedx-ml-bom/1.7/', import.meta.url));
  if (!existsSync(folder)) return t.skip('../shared/data/cyclonedx-ml-bom is not there');
  for (const name of ['valid-machine-learning', 'valid-machine-learning-considerations-env']) {
    assert.deepEqual(await bomProblems(readFileSync(`${folder}${name}-1.7.json`, 'utf8')), [], name);
  }
});

test('the model is described by its signature, figures and card, with the hash of what is scored with', () => {
  const { component, timestamp } = exported().metadata;

  assert.equal(timestamp, '2026-06-02T00:00:00.000Z');
  const hashes = [{ alg: 'SHA-256', content: digestOf('model.onnx').slice(7) }];
  const { type, name, version: number, hashes: found, licenses } = component as Record<string, unknown>;
  assert.deepEqual(
    { type, name, number, found, licenses },
    {
      type: 'machine-learning-model',
      name: 'delays',
      number: '3',
      found: hashes,
      licenses: [{ license: { id: 'Apache-2.0' } }],
    },
  );
  assert.deepEqual(component.modelCard, {
    modelParameters: {
      approach: { type: 'supervised' },
      task: 'classification',
      datasets: [{ ref: `dataset:flights@${digestOf('flights')}` }, { ref: 'dataset:weather@a1b2c3d4' }],
      inputs: [{ format: 'distance: numeric' }],
      outputs: [{ format: 'probability: numeric' }],
    },
    quantitativeAnalysis: {
      performanceMetrics: [
        { type: 'auc', value: '0.74' },
        { type: 'ece', value: '0.02' },
      ],
    },
    considerations: {
      useCases: ['warn passengers'],
      ethicalConsiderations: [{ name: 'none known' }],
      fairnessAssessments: [{ groupAtRisk: 'small airports', mitigationStrategy: 'reviewed monthly' }],
    },
  });
});

test('packages carry versions, licences and package URLs, and the list says that it is not complete', () => {
  const { components, dependencies, compositions } = exported();
  const packages = components.filter((one) => one['type'] !== 'data');

  assert.deepEqual(
    packages.map((one) => [one['purl'], one['licenses']]),
    [
      ['pkg:generic/python@3.11.7', undefined],
      ['pkg:pypi/mlflow@3.17.2', undefined],
      ['pkg:pypi/scikit-learn@1.9.1', [{ license: { id: 'BSD-3-Clause' } }]],
      ['pkg:pypi/numpy', [{ expression: 'BSD-3-Clause AND (MIT OR Zlib)' }]],
      ['pkg:pypi/own', undefined],
    ],
  );
  assert.deepEqual(
    dependencies[0]?.dependsOn,
    packages.map((one) => one['bom-ref']),
  );
  assert.deepEqual((compositions as unknown[])[1], { aggregate: 'incomplete', dependencies: ['model'] });
  const properties = JSON.stringify(exported().metadata.component);
  assert.match(properties, /"kedge:requirements-not-read","value":"1"/);
});

test('datasets are told by digest and source, without the credentials in it, and the run that read them', () => {
  const { components, formulation } = exported();
  const text = JSON.stringify(components);

  assert.ok(text.includes(digestOf('flights').slice(7)));
  assert.ok(text.includes('s3://bucket/f?sig=…'));
  assert.ok(!text.includes('secret'));
  const [{ workflows }] = formulation as [{ workflows: Record<string, unknown>[] }];
  assert.deepEqual(workflows[0]?.['inputs'], [
    { resource: { ref: `dataset:flights@${digestOf('flights')}` } },
    { resource: { ref: 'dataset:weather@a1b2c3d4' } },
    { parameters: [{ name: 'depth', value: '6' }] },
  ]);
});

test('the same facts give the same document, and others another serial number', () => {
  assert.deepEqual(exported(), exported());
  assert.match(
    exported().serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.notEqual(exported().serialNumber, exported({ lineage: undefined }).serialNumber);
});

test('evidence that cannot be read as a card is named, and older evidence that can is used', () => {
  const older = evidence('model-card', { task: 'ranking' });
  const newer = { ...evidence('model-card', { users: 'everybody' }), id: 'ev-broken' };
  const { component } = exported({ evidence: [older, newer] }).metadata;

  assert.equal(component.modelCard.modelParameters['task'], 'ranking');
  assert.match(JSON.stringify(component), /"kedge:unreadable-evidence","value":"ev-broken"/);
});

test('whatever names and evidence a version has, its bill of materials is valid, with each part once', async () => {
  const text = fc.string({ maxLength: 40, unit: 'binary' });
  const path = fc.stringMatching(/^[ -~]{1,30}$/);
  const inputs = fc.record({
    model: fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }),
    description: text,
    license: text,
    paths: fc.uniqueArray(path, { minLength: 1, maxLength: 5 }),
    data: fc.jsonValue({ maxDepth: 3 }),
    kind: fc.constantFrom('evaluation', 'licenses', 'model-card', 'signature', 'other'),
    params: fc.dictionary(text, text, { maxKeys: 4 }),
    datasets: fc.array(fc.record({ name: text, digest: text, source: fc.option(text), context: fc.option(text) }), {
      maxLength: 4,
    }),
    requirements: fc.array(fc.oneof(text, fc.constantFrom('a==1', 'A == 1', 'b[x]>=2', 'c @ https://x')), {
      maxLength: 6,
    }),
    yaml: text,
  });
  await fc.assert(
    fc.asyncProperty(inputs, async (given) => {
      const document = exported({
        version: version({
          model: given.model,
          description: given.description,
          tags: { license: given.license },
          artifacts: given.paths.map(artifact),
          modelFile: { path: '', digest: digestOf(''), bytes: 0 },
          signature: { inputs: [], output: 'value' },
        }),
        evidence: [evidence(given.kind, given.data as Json)],
        lineage: { ...lineage, name: given.description, params: given.params, datasets: given.datasets },
        files: {
          'requirements.txt': given.requirements.join('\n'),
          MLmodel: given.yaml,
          'python_env.yaml': given.yaml,
        },
      });
      assert.deepEqual(await bomProblems(JSON.stringify(document)), []);
      const refs = [...JSON.stringify(document).matchAll(/"bom-ref":("(?:[^"\\]|\\.)*")/g)].map((one) => one[1] ?? '');
      assert.equal(new Set(refs).size, refs.length, 'each bom-ref is there once');
      for (const { ref } of document.dependencies) assert.ok(refs.includes(JSON.stringify(ref)));
    }),
    { numRuns: 100 },
  );
});

test('requirements are read as pip reads them, and what is not a package is counted', () => {
  const { packages, skipped } = readRequirements(
    [
      '# comment',
      'Flask_Login [async] == 0.6.3  # pinned',
      'numpy>=1.26,<3; sys_platform == "linux"',
      'pandas==2.2.0 \\',
      `    --hash=sha256:${'a'.repeat(64)}`,
      'mlflow==3.*',
      'flask-login==9',
      'torch @ https://example.org/torch.whl',
      '-r other.txt',
      '--index-url https://user:secret@example.org',
      './local.whl',
      'git+https://example.org/x.git',
      `${'x'.repeat(9_000)}`,
      '',
    ].join('\n'),
  );

  assert.deepEqual(
    packages.map(({ name, version: pinned, specifier }) => [name, pinned, specifier]),
    [
      ['flask-login', '0.6.3', '== 0.6.3'],
      ['numpy', null, '>=1.26,<3'],
      ['pandas', '2.2.0', '==2.2.0'],
      ['mlflow', null, '==3.*'],
      ['torch', null, '@ https://example.org/torch.whl'],
    ],
  );
  assert.deepEqual(packages[2]?.sha256, ['a'.repeat(64)]);
  assert.equal(skipped, 5);
});

test('a licence is an SPDX identifier, an SPDX expression, or what somebody called it', () => {
  const cases: [string, unknown][] = [
    ['MIT', { license: { id: 'MIT' } }],
    ['mit', { license: { id: 'MIT' } }],
    ['MIT OR Apache-2.0', { expression: 'MIT OR Apache-2.0' }],
    ['(GPL-2.0-or-later WITH Classpath-exception-2.0) OR LicenseRef-own', 0],
    ['MIT OR something', { license: { name: 'MIT OR something' } }],
    ['MIT OR (Zlib', { license: { name: 'MIT OR (Zlib' } }],
    ['our own terms', { license: { name: 'our own terms' } }],
    ['__proto__', { license: { name: '__proto__' } }],
    ['constructor', { license: { name: 'constructor' } }],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(licenceOf(text, spdxIdOf), expected === 0 ? { expression: text } : expected);
  }
});
