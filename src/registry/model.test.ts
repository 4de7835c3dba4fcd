import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '#core/hash';
import { fitsEvidence } from './evidence-size.ts';
import { type VersionContent, versionDigest } from './model.ts';
import { isModelFile, type ModelSignature } from './shapes.ts';

const artifact = fc.record({
  path: fc.constantFrom('model.onnx', 'a', 'b/c', 'd'),
  digest: fc.constantFrom('x', 'y').map(digestOf),
  bytes: fc.integer({ min: 0, max: 2 }),
});
const signature: fc.Arbitrary<ModelSignature> = fc.record({
  inputs: fc.uniqueArray(
    fc.record({ name: fc.constantFrom('p', 'q'), kind: fc.constantFrom('numeric' as const, 'category' as const) }),
    { selector: (input) => input.name, minLength: 1 },
  ),
  output: fc.constantFrom('probability' as const, 'value' as const),
});
const content: fc.Arbitrary<VersionContent & { readonly signature: ModelSignature }> = fc.record({
  artifacts: fc.uniqueArray(artifact, { selector: (item) => item.path, minLength: 1 }),
  signature,
  run: fc.constantFrom(undefined, 'r', 's'),
});

test('the digest of a version is the same for the same content in any order, and for nothing else', () => {
  const plain = ({ artifacts, signature, run }: VersionContent & { readonly signature: ModelSignature }) =>
    JSON.stringify([
      artifacts.map(({ path, digest, bytes }) => [path, digest, bytes].join()).sort(),
      signature.inputs.map(({ name, kind }) => [name, kind]),
      signature.output,
      run ?? null,
    ]);
  fc.assert(
    fc.property(content, content, (a, b) => {
      assert.equal(versionDigest(a), versionDigest({ ...a, artifacts: [...a.artifacts].reverse() }));
      assert.equal(versionDigest(a) === versionDigest(b), plain(a) === plain(b));
    }),
    { numRuns: 1_000 },
  );
});

test('a model file lies at the top and is called model.<format>', () => {
  for (const path of ['model.onnx', 'model.txt', 'model.json']) assert.ok(isModelFile(path), path);
  for (const path of ['model', 'a/model.onnx', 'mymodel.onnx', 'model.onnx.bak', 'model.']) {
    assert.ok(!isModelFile(path), path);
  }
});

test('every JSON value of moderate size fits as evidence, and nothing that JSON would drop or change', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      assert.ok(fitsEvidence(value));
    }),
  );
  for (const value of [undefined, () => 1, 1n, new Date(0), new Map(), { a: [Number.POSITIVE_INFINITY] }]) {
    assert.ok(!fitsEvidence(value));
  }
});
