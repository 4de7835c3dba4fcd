import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '#client';
import { OnnxGraph } from '#learn/onnx';
import type { OpenControlPlane } from '../../control-plane/control-plane.ts';
import { kedge, serveControlPlane } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let url = '';
let token = '';

/** value = factor · x */
function times(factor: number): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('factor', { type: 'float', shape: [1], values: [factor] });
  graph.node('Mul', { inputs: ['features', 'factor'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'times', opsets: { '': 17 } });
}

before(async () => {
  ({ folder, plane, url, token } = await serveControlPlane());
  const { tracking, registry } = connect({ url, token });
  const { id } = await tracking.createTrackingRun({ body: { experiment: 'times' } });
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
  for (const factor of [10, 20]) {
    const upload = { contentType: 'application/octet-stream', bytes: Buffer.from(times(factor)) };
    const { digest, bytes } = await tracking.putArtifact({
      params: { run: id },
      query: { path: `${factor}.onnx` },
      upload,
    });
    const artifacts = [{ path: 'model.onnx', digest, bytes }];
    await registry.registerVersion({ params: { model: 'times' }, body: { run: id, artifacts, signature } });
  }
  await registry.moveAlias({ params: { model: 'times', alias: 'best' }, body: { version: 1, reason: 'test' } });
  await writeFile(join(folder, 'in.csv'), 'id,x\na,1\nb,2.5\n');
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

const predict = (...args: readonly string[]) => kedge(['predict', ...args, '--url', url, '--token', token]);
const files = (out: string): string[] => ['--in', join(folder, 'in.csv'), '--out', join(folder, out)];

test('a file is predicted by the version that an alias names, or by its number', async () => {
  const byAlias = await predict('--model', 'times@best', ...files('alias.csv'));
  const byNumber = await predict('--model', 'times@2', ...files('number.csv'), '--keep', 'id', '--json');

  assert.equal(byAlias.code, 0, byAlias.stderr);
  assert.match(byAlias.stdout, /^2 rows predicted by times@1 in /);
  assert.equal(
    await readFile(join(folder, 'alias.csv'), 'utf8'),
    'id,x,value,revision\na,1.0,10.0,times@1\nb,2.5,25.0,times@1\n',
  );
  assert.equal(JSON.parse(byNumber.stdout).rows, 2);
  assert.equal(
    await readFile(join(folder, 'number.csv'), 'utf8'),
    'id,value,revision\na,20.0,times@2\nb,50.0,times@2\n',
  );
});

test('what cannot be predicted is told without a stack', async () => {
  for (const [args, words] of [
    [['--model', 'times@nothing', ...files('x.csv')], /alias/],
    [['--model', 'times@7', ...files('x.csv')], /version/],
    [['--model', 'times', ...files('x.csv')], /expected <model>@<version>/],
    [['--model', 'times@1', '--in', join(folder, 'nowhere.csv'), '--out', join(folder, 'x.csv')], /there is no file/],
    [['--model', 'times@1', '--in', join(folder, 'in.csv'), '--out', join(folder, 'x.xlsx')], /ends in \.parquet/],
    [['--model', 'times@1', ...files('x.csv'), '--keep', 'nothing'], /nothing/],
  ] as const) {
    const { code, stderr } = await predict(...args);
    assert.equal(code, 1, stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /\n\s+at /, stderr);
  }
});
