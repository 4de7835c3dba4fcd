import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { type TestContext, test } from 'node:test';
import { ManualClock, systemClock } from '#core/clock';
import type { Exit } from '#ports/executor';
import { openProcessExecutor } from './index.ts';
import { MarkedOutput } from './marked-output.ts';

/** Runs each line that it reads as a script; `again` of it says whether the process is as it was before. */
const PROGRAM = `
  const mark = process.argv[2];
  const print = (text) => process.stdout.write(text);
  const served = (code, again, answer) => {
    const said = '\\x1e' + mark + ' ' + JSON.stringify({ code, again, answer, cpuMs: 1, rssPeakBytes: 2 }) + '\\n';
    process.stdout.write(said);
    process.stderr.write(said, () => again || process.exit(code));
  };
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { script, code = 0, again = true, answer } = JSON.parse(line);
    if (new Function('print', script)(print) !== 'hangs') served(code, again, answer);
  });`;

function openPool(t: TestContext, clock = systemClock) {
  const executor = openProcessExecutor({ clock, environment: { PATH: process.env['PATH'] }, keepsProcesses: true });
  t.after(() => executor.close());
  let number = 0;
  const start = async (
    script: string,
    { env = {}, wallMs = 60_000, outputBytesMax = 1_000_000, ...told }: Record<string, unknown> = {},
  ) => {
    let output = '';
    const execution = await executor.start({
      id: `e${++number}`,
      command: [process.execPath, '-e', PROGRAM, '--'],
      cwd: tmpdir(),
      env: env as Record<string, string>,
      stdin: Buffer.from(JSON.stringify({ script, ...told })),
      serves: true,
      limits: { wallMs: wallMs as number, outputBytesMax: outputBytesMax as number, graceMs: 0 },
      onOutput: (_stream, chunk) => {
        output += Buffer.from(chunk).toString('latin1');
      },
    });
    return { execution, output: () => output };
  };
  const run = async (script: string, told: Record<string, unknown> = {}): Promise<{ exit: Exit; output: string }> => {
    const { execution, output } = await start(script, told);
    const exit = await execution.exited;
    return { exit, output: output() };
  };
  const pid = async (told: Record<string, unknown> = {}): Promise<number> =>
    Number((await run('print(String(process.pid))', told)).output);
  return { executor, start, run, pid };
}

test('requests of one command and environment share a process, each with its own output', async (t) => {
  const { run, pid } = openPool(t);
  const first = await pid();

  assert.equal(await pid(), first);
  assert.notEqual(await pid({ env: { OTHER: '1' } }), first, 'another environment has a process of its own');
  const { exit, output } = await run("print('a'.repeat(100000) + '\\x1e and more\\n')");
  assert.equal(output, `${'a'.repeat(100_000)}\x1e and more\n`);
  assert.deepEqual([exit.reason, exit.code, exit.cpuMs, exit.rssPeakBytes], ['exited', 0, 1, 2]);
  assert.equal(exit.outputBytes, output.length);
  assert.equal(await pid(), first);
});

test('what a program answers at the end of a request is told with its exit, and not with the next', async (t) => {
  const { run } = openPool(t);

  const told = await run("print('output')", { answer: '{"ok":true}' });
  const untold = await run("print('output')");

  assert.deepEqual([told.exit.answer, told.output], ['{"ok":true}', 'output']);
  assert.deepEqual([untold.exit.answer, untold.output], [undefined, 'output']);
});

test('requests at the same time have processes of their own', async (t) => {
  const { start } = openPool(t);
  const both = await Promise.all([start('print(String(process.pid))'), start('print(String(process.pid))')]);

  await Promise.all(both.map(({ execution }) => execution.exited));

  assert.notEqual(both[0].output(), both[1].output());
});

test('a process that is not as before, or that ends, is not used again', async (t) => {
  const { run, pid } = openPool(t);
  const first = await pid();

  assert.equal((await run('', { code: 3, again: false })).exit.code, 3);
  const second = await pid();
  assert.notEqual(second, first);
  const { exit } = await run('process.exit(7)');
  assert.deepEqual([exit.reason, exit.code], ['exited', 7]);
  const third = await pid();
  assert.notEqual(third, second);
  const killed = await run("process.kill(process.pid, 'SIGKILL'); return 'hangs'");
  assert.deepEqual([killed.exit.reason, killed.exit.signal], ['signalled', 'SIGKILL']);
  assert.notEqual(await pid(), third);
});

test('a request that is stopped or takes too long takes its process with it, and says why', async (t) => {
  const { start, run, pid } = openPool(t);
  const first = await pid();

  const { execution } = await start("return 'hangs'");
  await execution.stop(0);
  assert.equal((await execution.exited).reason, 'stopped');
  const second = await pid();
  assert.notEqual(second, first);
  const { exit } = await run("return 'hangs'", { wallMs: 50 });
  assert.equal(exit.reason, 'timeout');
  assert.match(exit.detail ?? '', /the limit of .* was over/);
  assert.notEqual(await pid(), second);
});

test('output past the limit of a request is cut, and the next one has its whole limit', async (t) => {
  const { run } = openPool(t);
  for (const _ of [1, 2]) {
    const { exit, output } = await run("print('0123456789')", { outputBytesMax: 4 });

    assert.deepEqual([output, exit.outputBytes, exit.outputBytesCut], ['0123', 10, 6]);
  }
});

test('a process that waits for a request is ended after a minute, and when the executor is closed', async (t) => {
  const clock = new ManualClock();
  const { executor, pid } = openPool(t, clock);
  const first = await pid();
  await clock.advance(61_000);
  const second = await pid();
  assert.notEqual(second, first);

  await executor.close();

  assert.throws(() => process.kill(second, 0), { code: 'ESRCH' });
});

test('the end of a request is found however its bytes arrive, and nothing that only looks like it', () => {
  const text = 'one\x1etwo\x1emark\n\x1emark {"code":0}\nthree';
  for (let size = 1; size <= text.length; size++) {
    const seen: string[] = [];
    const output = new MarkedOutput('mark', {
      pass: (chunk) => seen.push(chunk.toString()),
      end: (said) => seen.push(`[${said}]`),
    });
    for (let at = 0; at < text.length; at += size) output.push(Buffer.from(text.slice(at, at + size)));

    assert.equal(seen.join(''), 'one\x1etwo\x1emark\n[{"code":0}]three', `in pieces of ${size}`);
  }
});

test('a request that is held loses nothing, and does not hold the next one of its process', async (t) => {
  const { start, run } = openPool(t);
  const { execution, output } = await start("print('x'.repeat(500000))");

  execution.hold?.(true);
  assert.equal((await run('print("other")')).output, 'other');
  assert.ok(output().length < 500_000, `${output().length} bytes`);
  execution.hold?.(false);
  await execution.exited;
  execution.hold?.(true);

  assert.equal(output().length, 500_000);
  assert.equal((await run('print("again")')).output, 'again');
});
