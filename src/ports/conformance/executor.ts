import assert from 'node:assert/strict';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ExecutionRequest, Executor, Exit, OutputStream } from '#ports/executor';
import { executorErrors } from '#ports/executor';

export interface OpenExecutor {
  /** Runs commands on a machine with a POSIX shell and this folder. */
  readonly executor: Executor;
  close(): Promise<void>;
}

/** Registers the tests that every executor passes. Commands run at `/bin/sh`, so that any POSIX machine will do. */
export function executorConformance(name: string, open: () => Promise<OpenExecutor>): void {
  const withBench = (test: (bench: Bench) => Promise<void>) => async (): Promise<void> => {
    const opened = await open();
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'kedge-exec-')));
    try {
      await test(new Bench(opened.executor, folder));
    } finally {
      await opened.close();
      await rm(folder, { recursive: true });
    }
  };
  describe(`${name} as an executor`, () => {
    exitCases(withBench);
    inputCases(withBench);
    endCases(withBench);
    refusalCases(withBench);
  });
}

type WithBench = (test: (bench: Bench) => Promise<void>) => () => Promise<void>;
type Changes = Partial<Omit<ExecutionRequest, 'limits'>> & { readonly limits?: Partial<ExecutionRequest['limits']> };

class Bench {
  readonly executor: Executor;
  readonly folder: string;
  readonly output: Record<OutputStream, string> = { stdout: '', stderr: '' };
  readonly #waiting = new Set<() => void>();
  #count = 0;

  constructor(executor: Executor, folder: string) {
    this.executor = executor;
    this.folder = folder;
  }

  request(script: string, changes: Changes = {}): ExecutionRequest {
    return {
      id: `execution-${++this.#count}`,
      command: ['/bin/sh', '-c', script],
      cwd: this.folder,
      env: {},
      onOutput: (stream, chunk) => {
        this.output[stream] += Buffer.from(chunk).toString('latin1');
        for (const wake of this.#waiting) wake();
      },
      ...changes,
      limits: { wallMs: 60_000, outputBytesMax: 1_000_000, ...changes.limits },
    };
  }

  async run(script: string, changes: Changes = {}): Promise<Exit> {
    return (await this.executor.start(this.request(script, changes))).exited;
  }

  /** Resolves when the output of the commands contains `text`. */
  async says(text: string): Promise<void> {
    while (!this.output.stdout.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      this.#waiting.clear();
    }
  }
}

function exitCases(withBench: WithBench): void {
  it(
    'tells the exit code, and keeps the two streams apart',
    withBench(async (bench) => {
      const exit = await bench.run('echo out; echo err >&2; exit 3');
      assert.deepEqual([exit.reason, exit.code, exit.signal], ['exited', 3, undefined]);
      assert.deepEqual(bench.output, { stdout: 'out\n', stderr: 'err\n' });
      assert.deepEqual([exit.outputBytes, exit.outputBytesCut], [8, 0]);
      assert.ok(exit.durationMs >= 0);
      assert.equal((await bench.run('exit 0')).code, 0);
    }),
  );

  it(
    'tells the signal that ended the command',
    withBench(async (bench) => {
      const exit = await bench.run('kill -s SEGV $$');
      assert.deepEqual([exit.reason, exit.code, exit.signal], ['signalled', undefined, 'SIGSEGV']);
    }),
  );

  it(
    'reports a program or working folder that does not exist as not started',
    withBench(async (bench) => {
      const program = await bench.run('', { command: ['kedge-no-such-program', 'x'] });
      assert.equal(program.reason, 'not-started');
      assert.match(program.detail ?? '', /'kedge-no-such-program' was not found/);
      const folder = await bench.run('true', { cwd: join(bench.folder, 'nowhere') });
      assert.equal(folder.reason, 'not-started');
      assert.match(folder.detail ?? '', /nowhere' does not exist/);
    }),
  );

  it(
    'cuts output past its limit, counts it, and lets the command go on',
    withBench(async (bench) => {
      const script = 'i=0; while [ $i -lt 400 ]; do echo 123456789; echo abcdefghi >&2; i=$((i+1)); done; touch done';
      const exit = await bench.run(script, { limits: { outputBytesMax: 1_005 } });
      assert.deepEqual([exit.reason, exit.code], ['exited', 0]);
      assert.deepEqual([exit.outputBytes, exit.outputBytesCut], [8_000, 6_995]);
      assert.equal(bench.output.stdout.length + bench.output.stderr.length, 1_005);
      assert.equal(await readFile(join(bench.folder, 'done'), 'utf8'), '');
    }),
  );
}

function inputCases(withBench: WithBench): void {
  it(
    'gives the command its words, working folder and input as they are',
    withBench(async (bench) => {
      const words = ['a b', '$HOME', '*', "'", '"', '\\', 'ü', ''];
      const command = ['/bin/sh', '-c', 'pwd; for word; do echo "<$word>"; done; cat', 'sh', ...words];
      await bench.run('', { command, stdin: Buffer.from('from stdin') });
      const expected = [bench.folder, ...words.map((word) => `<${word}>`), 'from stdin'].join('\n');
      assert.equal(Buffer.from(bench.output.stdout, 'latin1').toString(), expected);
    }),
  );

  it(
    'gives a command without input an empty one, and does not mind one that is not read',
    withBench(async (bench) => {
      assert.equal((await bench.run('cat')).code, 0);
      assert.equal((await bench.run('exit 5', { stdin: Buffer.alloc(2_000_000) })).code, 5);
      const large = Buffer.alloc(500_000, 'input ');
      await bench.run('cat', { stdin: large });
      assert.equal(bench.output.stdout, large.toString());
    }),
  );

  it(
    'gives the command the environment of the request',
    withBench(async (bench) => {
      await bench.run('echo "$KEDGE_A|$KEDGE_B|$PATH"', { env: { KEDGE_A: 'one two', KEDGE_B: '', PATH: '/bin' } });
      assert.equal(bench.output.stdout, 'one two||/bin\n');
    }),
  );
}

function endCases(withBench: WithBench): void {
  it(
    'stops a command by asking, and lets it clean up',
    withBench(async (bench) => {
      const request = bench.request("trap 'echo cleaning; exit 7' TERM; echo ready; while :; do sleep 0.05; done");
      const execution = await bench.executor.start(request);
      await bench.says('ready');
      await Promise.all([execution.stop(60_000), execution.stop(60_000)]);
      const exit = await execution.exited;
      assert.deepEqual([exit.reason, exit.code], ['stopped', 7]);
      assert.equal(bench.output.stdout, 'ready\ncleaning\n');
      await execution.stop(0);
    }),
  );

  it(
    'kills a command that does not end when it is asked to',
    withBench(async (bench) => {
      const request = bench.request("trap '' TERM; echo ready; while :; do sleep 0.05; done");
      const execution = await bench.executor.start(request);
      await bench.says('ready');
      await execution.stop(50);
      const exit = await execution.exited;
      assert.deepEqual([exit.reason, exit.signal], ['stopped', 'SIGKILL']);
    }),
  );

  it(
    'stops a command when its time is over',
    withBench(async (bench) => {
      const exit = await bench.run('sleep 60', { limits: { wallMs: 100 } });
      assert.deepEqual([exit.reason, exit.signal], ['timeout', 'SIGTERM']);
      assert.match(exit.detail ?? '', /limit of 100 ms/);
      const stubborn = await bench.run("trap '' TERM; while :; do sleep 0.05; done", {
        limits: { wallMs: 50, graceMs: 50 },
      });
      assert.deepEqual([stubborn.reason, stubborn.signal], ['timeout', 'SIGKILL']);
    }),
  );

  it(
    'leaves the reason alone when a command is stopped after it has ended',
    withBench(async (bench) => {
      const execution = await bench.executor.start(bench.request('exit 4'));
      assert.equal((await execution.exited).code, 4);
      await execution.stop(0);
      assert.equal((await execution.exited).reason, 'exited');
    }),
  );
}

function refusalCases(withBench: WithBench): void {
  it(
    'refuses requests past the limits of the port',
    withBench(async (bench) => {
      const invalid = { code: executorErrors.invalid.code };
      const bad: readonly Changes[] = [
        { id: '' },
        { id: 'x'.repeat(201) },
        { command: [] },
        { command: [''] },
        { command: ['echo', 'a\0b'] },
        { command: ['echo', 'x'.repeat(1024 * 1024)] },
        { cwd: 'relative' },
        { env: { 'not a name': 'x' } },
        { env: { A: 'b\0' } },
        { limits: { wallMs: 0 } },
        { limits: { wallMs: Number.POSITIVE_INFINITY } },
        { limits: { outputBytesMax: -1 } },
        { limits: { graceMs: Number.NaN } },
      ];
      for (const changes of bad) await assert.rejects(bench.executor.start(bench.request('true', changes)), invalid);
    }),
  );

  it(
    'refuses an id that is running, and takes it again afterwards',
    withBench(async (bench) => {
      const execution = await bench.executor.start(bench.request('sleep 60', { id: 'one' }));
      const exists = { code: executorErrors.exists.code };
      await assert.rejects(bench.executor.start(bench.request('true', { id: 'one' })), exists);
      await execution.stop(1_000);
      assert.equal((await bench.run('true', { id: 'one' })).code, 0);
    }),
  );
}
