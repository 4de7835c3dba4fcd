/**
 * Trains the same rows with Kedge and with LightGBM, in turn, and prints medians.
 *
 *     node bench/gbdt/bench.ts [--rows 200000] [--trees 100] [--leaves 31] [--rounds 5] [--python python3] [--json]
 *
 * Both run on one thread, and both times include binning. Without a Python that has lightgbm (`pip install lightgbm`)
 * only Kedge runs, and the output says why.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { predictGbdt, type Table, trainGbdt } from '#learn/gbdt';
import { type BenchData, loadData } from './data.ts';

interface Round {
  readonly seconds: number;
  readonly auc: number;
}

interface Anchor {
  readonly version: string;
  round(): Promise<Round>;
  stop(): void;
}

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    trees: { type: 'string', default: '100' },
    leaves: { type: 'string', default: '31' },
    rounds: { type: 'string', default: '5' },
    python: { type: 'string', default: 'python3' },
    json: { type: 'boolean', default: false },
  },
});
const trees = Number(options.trees);
const leaves = Number(options.leaves);

const data = await loadData(Number(options.rows));
const anchor = await startAnchor(data);
const kedge: Round[] = [];
const lightgbm: Round[] = [];
for (let round = 0; round < Number(options.rounds); round++) {
  kedge.push(kedgeRound(data));
  if (typeof anchor !== 'string') lightgbm.push(await anchor.round());
}
if (typeof anchor !== 'string') anchor.stop();
report();

function kedgeRound({ train, label, test, testLabel }: BenchData): Round {
  const start = performance.now();
  const model = trainGbdt({ train, label, params: { trees, leaves } });
  const seconds = (performance.now() - start) / 1000;
  return { seconds, auc: auc(testLabel, predictGbdt(model, test)) };
}

/** Starts the Python process, or returns the reason why there is none. */
async function startAnchor({ train, label, test, testLabel }: BenchData): Promise<Anchor | string> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-gbdt-'));
  writeFileSync(join(folder, 'train.f32'), rowMajor(train));
  writeFileSync(join(folder, 'test.f32'), rowMajor(test));
  writeFileSync(join(folder, 'label.f32'), label);
  const script = join(import.meta.dirname, 'lightgbm.py');
  const sizes = [train.rows, test.rows, train.columns.length, trees, leaves].map(String);
  const child: ChildProcess = spawn(options.python, [script, folder, ...sizes], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.on('error', (error) => {
    complaint = error.message;
  });
  child.stdin?.on('error', () => {});
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const read = async (): Promise<{ version: string; seconds: number } | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  const stop = (): void => {
    child.stdin?.end();
    rmSync(folder, { recursive: true });
  };
  const hello = await read();
  if (hello === undefined) {
    stop();
    const reason = complaint.trim().split('\n').at(-1) ?? '';
    return `${options.python} cannot run lightgbm (${reason}); pip install lightgbm, or pass --python`;
  }
  const round = async (): Promise<Round> => {
    child.stdin?.write('round\n');
    const result = await read();
    if (result === undefined) throw new Error(`the LightGBM process ended: ${complaint}`);
    const prediction = readFileSync(join(folder, 'prediction.f64'));
    const scores = new Float64Array(new Uint8Array(prediction).buffer);
    return { seconds: result.seconds, auc: auc(testLabel, scores) };
  };
  return { version: hello.version, round, stop };
}

function report(): void {
  const own = median(kedge);
  const other = lightgbm.length > 0 ? median(lightgbm) : undefined;
  const result = {
    bench: 'gbdt',
    source: data.source,
    rows: data.train.rows,
    columns: data.train.columns.length,
    trees,
    leaves,
    rounds: kedge.length,
    threads: 1,
    kedge: { ...own, all: kedge.map(({ seconds }) => seconds) },
    lightgbm:
      typeof anchor === 'string' || other === undefined
        ? { skipped: anchor }
        : { version: anchor.version, ...other, all: lightgbm.map(({ seconds }) => seconds) },
    ratio: other && own.seconds / other.seconds,
    aucDifference: other && own.auc - other.auc,
  };
  if (options.json) {
    console.log(JSON.stringify(result));
    return;
  }
  console.log(`${result.source}: ${result.rows} rows x ${result.columns} columns, ${trees} trees x ${leaves} leaves`);
  console.log(`kedge     median ${own.seconds.toFixed(2)} s   test AUC ${own.auc.toFixed(4)}`);
  if (typeof anchor === 'string' || other === undefined) {
    console.log(`lightgbm  skipped: ${anchor}`);
    return;
  }
  console.log(
    `lightgbm  median ${other.seconds.toFixed(2)} s   test AUC ${other.auc.toFixed(4)}   (${anchor.version})`,
  );
  console.log(`kedge takes ${(own.seconds / other.seconds).toFixed(2)} x LightGBM over ${kedge.length} rounds in turn`);
}

function median(rounds: readonly Round[]): Round {
  const middle = (values: number[]): number => {
    const sorted = values.sort((a, b) => a - b);
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  };
  return { seconds: middle(rounds.map((r) => r.seconds)), auc: middle(rounds.map((r) => r.auc)) };
}

/** Area under the ROC curve by ranks; tied scores count half. */
function auc(label: Float32Array, scores: Float64Array): number {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  let positives = 0;
  let rankSum = 0;
  for (let i = 0; i < order.length; ) {
    let end = i;
    let tied = 0;
    for (; end < order.length && scores[order[end]!] === scores[order[i]!]; end++) tied += label[order[end]!]!;
    positives += tied;
    rankSum += tied * ((i + 1 + end) / 2);
    i = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives));
}

function rowMajor({ rows, columns }: Table): Float32Array {
  const matrix = new Float32Array(rows * columns.length);
  columns.forEach((column, offset) => {
    if (column.kind !== 'numeric') return;
    for (let row = 0, at = offset; row < rows; row++, at += columns.length) matrix[at] = column.values[row]!;
  });
  return matrix;
}
