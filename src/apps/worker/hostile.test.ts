import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { LOG_BYTES_MAX, LOG_LINE_LENGTH_MAX, LOG_LINES_MAX, pipelineSpec } from '#pipelines/contract';
import { ProblemError } from '#platform/contract';
import { isGone, soon } from './testing/bench.ts';
import { openBench } from './testing/open-bench.ts';

/** Input that nobody means well with: it is refused with the reason, or it harms only its own step. */

/** Of one step, in lines of 100 bytes. `KEDGE_TEST_LOG_BYTES=1000000000` is the long form. */
const LOG_BYTES = Number(process.env['KEDGE_TEST_LOG_BYTES'] ?? 20_000_000);
const LOG_LINE = 'a line that says very little '.padEnd(99, '.');
/** Of the control plane and the worker together, which are one process here. */
const RSS_MB_MAX = 600;

const step = (name: string, more: object = {}) => ({ name, command: ['true'], ...more });
const chain = (length: number) =>
  Array.from({ length }, (_, i) => ({ name: `s${i}`, command: ['a'], ...(i ? { needs: [`s${i - 1}`] } : {}) }));

test('graphs that cannot be run are refused with the reason, however large they are', async (t) => {
  const bench = await openBench(t);
  const refusal = async (steps: readonly object[]): Promise<string> => {
    const resources = [{ kind: 'pipeline', name: 'p', spec: { steps } }];
    const failed: unknown = await bench.api.applyResources({ body: { resources } }).catch((error) => error);
    assert.ok(failed instanceof ProblemError && failed.problem.status < 500, String(failed));
    return failed.message;
  };

  assert.match(await refusal(chain(201)), /200/);
  assert.match(await refusal(chain(20_000)), /200/);
  const round = Array.from({ length: 150 }, (_, i) => step(`s${i}`, { needs: [`s${(i + 1) % 150}`] }));
  assert.match(await refusal(round), /wait for each other: s0 -> s1/);
  assert.match(await refusal([step('a', { needs: ['a'] })]), /a -> a/);
  assert.match(await refusal([step('a'), step('b', { inputs: { x: 'a.y' } })]), /declares no output 'y'/);
  for (const output of ['../x', '/etc/passwd', 'a/b', '..', '.', 'x\0', 'a\\b', '']) {
    assert.match(await refusal([step('a', { outputs: [output] })]), /outputs/, JSON.stringify(output));
  }
  assert.match(await refusal([step('../../a')]), /name/);
});

test('a graph of a hundred thousand steps, which no request can bring, is refused by the schema with its limit', () => {
  const { error } = pipelineSpec.safeParse({ steps: chain(100_000) });

  assert.deepEqual(
    error?.issues.map((issue) => [issue.path.join('.'), issue.message]),
    [['steps', 'Too big: expected array to have <=200 items']],
  );
});

/** A family that does not listen: each member writes its process id and ignores SIGTERM. */
const FAMILY = `
trap '' TERM
(sh -c "trap '' TERM; echo \\$\\$ >> $KEDGE_PARAM_PIDS; sleep 601 & echo \\$! >> $KEDGE_PARAM_PIDS; wait") &
(sh -c "trap '' TERM; echo \\$\\$ >> $KEDGE_PARAM_PIDS; exec sleep 602") &
echo $$ >> "$KEDGE_PARAM_PIDS"
wait
`;

test('a family of processes that ignores SIGTERM ends with its step, by cancel and by timeout', async (t) => {
  const bench = await openBench(t);
  const pidsIn = (path: string): number[] =>
    existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1).map(Number) : [];
  const allGone = (path: string) =>
    soon(
      () => pidsIn(path).every(isGone),
      () => `processes of the step go on: ${pidsIn(path).filter((pid) => !isGone(pid))}`,
    );
  const family = (pids: string, timeout: string) => [
    { name: 'family', command: ['/bin/sh', '-c', FAMILY], params: { pids }, timeout, retries: 0 },
  ];

  const cancelled = join(bench.dir, 'cancelled');
  const run = await bench.start(family(cancelled, '10m'));
  await soon(
    () => pidsIn(cancelled).length === 4,
    () => 'the family does not start',
  );
  await bench.api.cancelPipelineRun({ params: { run }, body: {} });
  assert.equal((await bench.ended(run)).status, 'cancelled');
  await allGone(cancelled);

  const late = join(bench.dir, 'late');
  const done = await bench.ended(await bench.start(family(late, '2s')));
  assert.deepEqual([done.status, done.steps[0]?.attempts[0]?.error?.kind], ['failed', 'timeout']);
  await allGone(late);
});

test('a log of many lines is kept whole; past its limit it takes no more, and says what is missing', async (t) => {
  const bench = await openBench(t);
  const before = process.memoryUsage().rss;
  let peak = before;
  const words = `yes '${LOG_LINE}' | head -c ${LOG_BYTES}; echo "the end" >&2`;
  const run = await bench.start([{ name: 'talks', command: ['/bin/sh', '-c', words], cache: false, timeout: '30m' }]);
  let [done, slowestMs] = [await bench.api.getPipelineRun({ params: { run } }), 0];
  for (; done.finishedAt === null; await setTimeout(20)) {
    peak = Math.max(peak, process.memoryUsage().rss);
    const askedAt = performance.now();
    done = await bench.api.getPipelineRun({ params: { run } });
    slowestMs = Math.max(slowestMs, performance.now() - askedAt);
  }

  assert.equal(done.status, 'succeeded', done.reason ?? '');
  let kept = 0;
  let told = '';
  for (let after = 0, isOver = false; !isOver; ) {
    const page = await bench.api.readStepLog({ params: { run, step: 'talks' }, query: { after, limit: 2_000 } });
    kept += page.items.filter(({ text, stream }) => text === LOG_LINE || stream === 'stderr').length;
    told = page.items.at(-1)?.text ?? told;
    [after, isOver] = [page.next, page.done];
  }
  const said = LOG_BYTES / (LOG_LINE.length + 1) + 1;
  if (said * LOG_LINE.length <= LOG_BYTES_MAX) {
    assert.equal(kept, said);
  } else {
    const limit = `the limit is ${LOG_LINES_MAX} lines and ${LOG_BYTES_MAX} bytes`;
    assert.equal(told, `${said - kept} lines of output are missing here: ${limit}`);
    assert.ok(kept * LOG_LINE.length <= LOG_BYTES_MAX);
  }
  const moreMB = Math.round((peak - before) / 1e6);
  assert.ok(moreMB < RSS_MB_MAX, `${moreMB} MB more`);
  const { startedAt, finishedAt } = done.steps[0]!;
  const seconds = ((finishedAt ?? 0) - (startedAt ?? 0)) / 1_000;
  t.diagnostic(`${said} lines said, ${kept} kept, in ${seconds} s (${Math.round(kept / seconds)} lines/s)`);
  t.diagnostic(`at most ${moreMB} MB more, and ${Math.round(slowestMs)} ms for another request meanwhile`);
});

test('a log of arbitrary bytes, in one line or in many, is kept as text and harms nothing', async (t) => {
  const bench = await openBench(t);
  const bytes = 'head -c 2000000 /dev/urandom; printf "\\0\\0\\377\\376\\n"; head -c 1000000 /dev/zero >&2';

  const run = await bench.ended(await bench.start([{ name: 'noise', command: ['/bin/sh', '-c', bytes] }]));

  assert.equal(run.status, 'succeeded', run.reason ?? '');
  const { items } = await bench.api.readStepLog({ params: { run: run.run, step: 'noise' }, query: { limit: 2_000 } });
  assert.ok(items.length > 100);
  assert.ok(items.every((line) => !line.text.includes('\0') && line.text.length <= LOG_LINE_LENGTH_MAX));
});
