import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { executorConformance } from '#conformance/executor';
import { ManualClock, systemClock } from '#core/clock';
import { type ExecutionRequest, type Exit, executorErrors } from '#ports/executor';
import { INHERITED_VARIABLES, openProcessExecutor } from './index.ts';

const environment = { PATH: process.env['PATH'] };

executorConformance('process', async () => ({
  executor: openProcessExecutor({ clock: systemClock, environment }),
  close: async () => {},
}));

executorConformance('process-pool', async () => {
  const executor = openProcessExecutor({ clock: systemClock, environment, keepsProcesses: true });
  return { executor, close: () => executor.close() };
});

const LIMITS = { wallMs: 60_000, outputBytesMax: 1_000_000 };

/** Starts a shell script that ends with the test; `line()` resolves to the next line of its output. */
async function startScript(t: TestContext, script: string, { clock = systemClock, id = 'test', wallMs = 60_000 } = {}) {
  const executor = openProcessExecutor({ clock, environment });
  const output = new PassThrough();
  const execution = await executor.start({
    id,
    command: ['/bin/sh', '-c', script],
    cwd: '/',
    env: {},
    limits: { ...LIMITS, wallMs },
    onOutput: (stream, chunk) => void (stream === 'stdout' && output.write(chunk)),
  });
  t.after(() => execution.stop(0));
  void execution.exited.then(() => output.end());
  const line = async (): Promise<string> => String((await once(output, 'data'))[0]).trim();
  return { execution, line };
}

/** Resolves once a process is no more, looking at every turn of the event loop. */
async function isGone(pid: number): Promise<boolean> {
  for (const until = performance.now() + 5_000; performance.now() < until; ) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // A killed process that nobody has waited for yet is a zombie.
    if (stat === '' || stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return true;
  }
  return false;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-exec-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe('process executor', () => {
  it('stops everything that the command started, also what ignores being asked', async (t) => {
    const script = `sh -c 'sh -c "trap \\"\\" TERM; echo \\$\\$; while :; do sleep 1; done" & wait' & wait`;
    const { execution, line } = await startScript(t, script);
    const grandchild = Number(await line());
    process.kill(grandchild, 0);
    await execution.stop(50);
    assert.equal((await execution.exited).reason, 'stopped');
    assert.equal(await isGone(grandchild), true);
  });

  it('gives the whole grace to what the command started, also when the command itself ends at once', async (t) => {
    const child = 'trap "sleep 0.1; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done';
    const { execution, line } = await startScript(t, `sh -c '${child}' & wait`);
    assert.equal(await line(), 'ready');
    const saved = line();
    await execution.stop(30_000);
    assert.equal(await saved, 'saved');
    assert.deepEqual([(await execution.exited).reason, (await execution.exited).signal], ['stopped', 'SIGTERM']);
  });

  it('ends what the command left running in the background', async (t) => {
    const { execution, line } = await startScript(t, 'sleep 600 & echo $!; exit 0');
    const background = Number(await line());
    const exit = await execution.exited;
    assert.deepEqual([exit.reason, exit.code], ['exited', 0]);
    assert.equal(await isGone(background), true);
  });

  it('does not wait for ever for the output of a process that left its group', async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'pid');
    const script = `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & while [ ! -s ${file} ]; do :; done`;
    const { execution } = await startScript(t, script);
    const exit = await execution.exited;
    process.kill(Number(await readFile(file, 'utf8')), 'SIGKILL');
    assert.deepEqual([exit.reason, exit.code], ['exited', 0]);
  });

  it('takes the time limit and the grace from the injected clock', async (t) => {
    const clock = new ManualClock();
    const script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.02; done";
    const { execution, line } = await startScript(t, script, { clock, wallMs: 3_600_000 });
    assert.equal(await line(), 'ready');
    await clock.advance(3_599_999);
    const asked = line();
    await clock.advance(1);
    assert.equal(await asked, 'asked');
    await clock.advance(5_000);
    const exit: Exit = await execution.exited;
    assert.deepEqual([exit.reason, exit.signal, exit.durationMs], ['timeout', 'SIGKILL', 3_605_000]);
    assert.match(exit.detail ?? '', /limit of 1 h/);
  });

  it('inherits the listed variables only, and the request wins over them', async () => {
    const secret = { KEDGE_TOKEN: 'secret', LD_PRELOAD: '', AWS_SECRET_ACCESS_KEY: 'secret', NODE_OPTIONS: '' };
    const listed = Object.fromEntries(INHERITED_VARIABLES.map((name) => [name, `inherited ${name}`]));
    const executor = openProcessExecutor({ clock: systemClock, environment: { ...secret, ...listed } });
    let printed = '';
    const execution = await executor.start({
      id: 'env',
      command: ['/usr/bin/env'],
      cwd: '/',
      env: { LANG: 'given', OWN: 'own' },
      limits: LIMITS,
      onOutput: (_stream, chunk) => {
        printed += Buffer.from(chunk);
      },
    });
    await execution.exited;
    const seen = Object.fromEntries(
      printed
        .trim()
        .split('\n')
        .map((line) => line.split('=')),
    );
    assert.deepEqual(seen, { ...listed, LANG: 'given', OWN: 'own' });
  });

  it('refuses to run more than its limit at once', async () => {
    const executor = openProcessExecutor({ clock: systemClock, environment, executionsMax: 1 });
    const request = { command: ['sleep', '60'], cwd: '/', env: {}, limits: LIMITS };
    const execution = await executor.start({ ...request, id: 'a' });
    const busy = { code: executorErrors.busy.code, message: /the limit is 1/ };
    await assert.rejects(executor.start({ ...request, id: 'b' }), busy);
    await execution.stop(1_000);
    await (await executor.start({ ...request, id: 'b' })).stop(1_000);
  });

  it('tells how much memory the command and its children held', async (t) => {
    if (process.platform !== 'linux') return t.skip('resident memory is read from /proc');
    const clock = new ManualClock();
    const hold = `const held = Buffer.alloc(80e6, 1); console.log(held.length); setInterval(() => {}, 1000);`;
    const { execution, line } = await startScript(t, `'${process.execPath}' -e '${hold}' & wait`, { clock });
    assert.equal(await line(), '80000000');
    await clock.advance(500);
    await execution.stop(0);
    const { rssPeakBytes = 0 } = await execution.exited;
    assert.ok(rssPeakBytes > 80e6 && rssPeakBytes < 400e6, `${rssPeakBytes} bytes`);
  });

  it('tells how much processor time the command and its children took', async (t) => {
    if (process.platform !== 'linux') return t.skip('processor time is read from /proc');
    const clock = new ManualClock();
    const burn = `while (process.cpuUsage().user < 200e3); console.log("done"); setInterval(() => {}, 1000);`;
    const { execution, line } = await startScript(t, `'${process.execPath}' -e '${burn}' & wait`, { clock });
    assert.equal(await line(), 'done');
    await clock.advance(500);
    await execution.stop(0);
    const { cpuMs = 0, readBytes, writtenBytes } = await execution.exited;
    assert.ok(cpuMs >= 180, `${cpuMs} ms`);
    assert.deepEqual([typeof readBytes, typeof writtenBytes], ['number', 'number']);
  });

  it('concludes from the counter of the control group, or from the limit, that memory ran out', async (t) => {
    if (process.platform !== 'linux') return t.skip('control groups are read from /proc');
    const root = await temporaryFolder(t);
    /** Runs a script in a control group that a folder plays, while its counter goes from 3 to `kills`. */
    const ended = async (script: string, { kills = 3, limit = 'max' }): Promise<Exit> => {
      await Promise.all([
        writeFile(join(root, 'memory.events'), 'oom 3\noom_kill 3\n'),
        writeFile(join(root, 'memory.max'), `${limit}\n`),
      ]);
      const executor = openProcessExecutor({ clock: systemClock, environment, cgroupRoot: root });
      const execution = await executor.start({
        ...{ id: 'test', cwd: root, env: {}, limits: LIMITS },
        command: ['/bin/sh', '-c', `until [ -e go ]; do sleep 0.05; done; ${script}`],
      });
      await writeFile(join(root, 'memory.events'), `oom 3\noom_kill ${kills}\n`);
      await writeFile(join(root, 'go'), '');
      const exit = await execution.exited;
      await rm(join(root, 'go'));
      return exit;
    };
    const counted = /^the out-of-memory killer ended .*\(oom_kill went from 3 to 4\)$/;
    assert.match((await ended('kill -9 $$', { kills: 4 })).outOfMemory ?? '', counted);
    assert.match((await ended('exit 137', { kills: 4 })).outOfMemory ?? '', counted);
    assert.match((await ended('kill -9 $$', { limit: '1000' })).outOfMemory ?? '', /^SIGKILL ended it.* of the 1000 B/);
    assert.equal((await ended('kill -9 $$', {})).outOfMemory, undefined);
    assert.equal((await ended('kill -15 $$', { kills: 4 })).outOfMemory, undefined);
    assert.equal((await ended('exit 1', { kills: 4 })).outOfMemory, undefined);
  });

  const run = async (script: string, more: Partial<ExecutionRequest> = {}) => {
    const executor = openProcessExecutor({ clock: systemClock, environment });
    let printed = '';
    const execution = await executor.start({
      ...{ id: 'apart', command: ['/bin/sh', '-c', script], cwd: '/', env: {}, limits: LIMITS },
      onOutput: (_stream, chunk) => {
        printed += Buffer.from(chunk);
      },
      ...more,
    });
    return { execution, exit: await execution.exited, printed };
  };

  it('tells what keeps a command apart, and that holds', async (t) => {
    const { execution, printed } = await run('cat /proc/self/status; ls /sys/class/net; echo pid $$', {
      isolate: { network: false },
    });
    const { namespaces, privileges } = execution.isolated ?? assert.fail('it was to run apart');
    if (privileges) assert.match(printed, /^NoNewPrivs:\s+1$/m);
    if (namespaces.length === 0) return t.skip('this machine lets nobody have namespaces');
    assert.match(printed, /^CapEff:\s+0+$/m);
    if (namespaces.includes('pid')) assert.match(printed, /^pid \d$/m);
    const online = await run('exec 3<>/dev/tcp/127.0.0.1/9 || ip route get 192.0.2.1', { isolate: { network: false } });
    if (namespaces.includes('network')) assert.match(online.printed, /unreachable|not found|nonexistent/i);
  });

  it('leaves nothing of a command that runs apart, not even what left its group', async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'pid');
    const script = `setsid sh -c 'echo 1 > ${file}; exec sleep 600' & while [ ! -s ${file} ]; do :; done; sleep 601`;
    const executor = openProcessExecutor({ clock: systemClock, environment });
    const command = ['/bin/sh', '-c', script];
    const request = { id: 'a', command, cwd: folder, env: {}, limits: LIMITS, isolate: { network: true } };
    const execution = await executor.start(request);
    for (const until = performance.now() + 30_000; performance.now() < until; await setImmediate()) {
      if ((await readFile(file, 'utf8').catch(() => '')) !== '') break;
    }
    await execution.stop(0);
    if (!execution.isolated?.namespaces.includes('pid')) return t.skip('this machine gives no process namespace');
    const running = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const folders = await Promise.all(running.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
    assert.ok(!folders.includes(folder));
  });

  it('ends a command that holds more memory than it may, and tells', async (t) => {
    if (process.platform !== 'linux') return t.skip('resident memory is read from /proc');
    const hold = `const held = Buffer.alloc(300e6, 1); console.log(held.length); setInterval(() => {}, 1000);`;
    const limits = { ...LIMITS, memoryBytesMax: 150e6 };
    const sampled = await run(`exec '${process.execPath}' -e '${hold}'`, { limits });
    assert.equal(sampled.exit.reason, 'memory');
    assert.match(sampled.exit.detail ?? '', /more than 143\.1 MiB/);
    const grouped = await run(`exec '${process.execPath}' -e '${hold}'`, { limits, isolate: { network: true } });
    assert.notEqual(grouped.exit.code, 0);
    assert.notEqual(grouped.execution.isolated?.memory, 'unlimited');
  });
});

describe('a command that is held', () => {
  const BYTES = 2_000_000;
  const script = `head -c ${BYTES} /dev/zero`;

  /** Is held from its first output on. */
  async function startHeld(t: TestContext, command: string) {
    const executor = openProcessExecutor({ clock: systemClock, environment });
    let bytes = 0;
    const request = {
      command: ['/bin/sh', '-c', command],
      cwd: '/',
      env: {},
      limits: { ...LIMITS, outputBytesMax: 1e9 },
    };
    const first = Promise.withResolvers<void>();
    const execution = await executor.start({
      ...request,
      id: 'held',
      onOutput: (_, chunk) => {
        bytes += chunk.length;
        execution.hold?.(true);
        first.resolve();
      },
    });
    t.after(() => execution.stop(0));
    await first.promise;
    const other = async () => (await executor.start({ ...request, command: ['true'], id: 'other' })).exited;
    return { execution, other, bytes: () => bytes };
  }

  it('waits when it writes more, and loses nothing', async (t) => {
    const { execution, other, bytes } = await startHeld(t, script);
    for (let i = 0; i < 5; i++) await other();
    assert.ok(bytes() < BYTES / 2, `${bytes()} bytes`);

    while (bytes() < BYTES) {
      execution.hold?.(false);
      await setImmediate();
    }

    assert.deepEqual([(await execution.exited).code, bytes()], [0, BYTES]);
  });

  it('is read to its end when it ends, and can be stopped', async (t) => {
    const little = await startHeld(t, 'echo one; echo two >&2; exit 3');
    assert.deepEqual([(await little.execution.exited).code, little.bytes()], [3, 8]);

    const stuck = await startHeld(t, `${script}; sleep 60`);
    await stuck.execution.stop(0);
    assert.equal((await stuck.execution.exited).reason, 'stopped');
  });
});
