import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { executorConformance } from '#conformance/executor';
import { realSystem } from '#core/system';
import type { ExecutionRequest, Executor, Exit } from '#ports/executor';
import type { EndCause } from './cluster.ts';
import { openClusterExecutor } from './index.ts';
import { LocalCluster } from './testing/local-cluster.ts';

async function temporaryFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), 'kedge-cluster-')));
}

executorConformance('a cluster of this machine', async () => {
  const folder = await temporaryFolder();
  return {
    executor: openClusterExecutor({ cluster: new LocalCluster(), system: realSystem(), owner: 'w', folder }),
    close: () => rm(folder, { recursive: true, maxRetries: 5 }),
  };
});

async function openBench(t: TestContext) {
  const dir = await temporaryFolder();
  const cluster = new LocalCluster();
  t.after(async () => {
    for (const { id, cause } of cluster.jobs) if (!cause) cluster.lose(id, 'cancelled');
    await rm(dir, { recursive: true, maxRetries: 5 });
  });
  const warnings: string[] = [];
  const jobs = join(dir, 'jobs');
  const open = (owner = 'w', folder = jobs): Executor =>
    openClusterExecutor({ cluster, system: realSystem(), owner, folder, warn: (words) => warnings.push(words) });
  let count = 0;
  const request = (script: string, changes: Partial<ExecutionRequest> = {}): ExecutionRequest => ({
    id: `e${++count}`,
    command: ['/bin/sh', '-c', script],
    cwd: dir,
    env: {},
    limits: { wallMs: 600_000, outputBytesMax: 1_000_000 },
    ...changes,
  });
  const read = (name: string): string => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '');
  return { dir, jobs, cluster, open, request, read };
}

/** Looks again and again until it holds; fails after a minute. */
async function soon(holds: () => boolean, otherwise: string): Promise<void> {
  for (const end = performance.now() + 60_000; !holds(); ) {
    assert.ok(performance.now() < end, otherwise);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}

const brief = ({ reason, code, signal }: Exit): unknown[] => [reason, code, signal];

describe('executor of clusters', () => {
  for (const next of ['take-and-lose-answer', 'lose-and-take-later'] as const) {
    it(`runs a command once when the answer is lost (${next})`, async (t) => {
      const bench = await openBench(t);
      bench.cluster.next = next;

      const execution = await bench.open().start(bench.request('echo ran >> log; sleep 1'));
      assert.equal(execution.job?.(), undefined, 'the cluster has not told it yet');
      const exit = await execution.exited;
      assert.ok(bench.cluster.jobs.some(({ id }) => id === execution.job?.()));

      assert.deepEqual(brief(exit), ['exited', 0, undefined]);
      assert.equal(bench.cluster.jobs.length, next === 'take-and-lose-answer' ? 1 : 2);
      await soon(() => bench.cluster.jobs.every(({ cause }) => cause !== undefined), 'a job does not end');
      assert.equal(bench.read('log'), 'ran\n');
    });
  }

  it('tells what the cluster says when it refuses a job', async (t) => {
    const bench = await openBench(t);
    bench.cluster.next = 'refuse';

    const exit = await (await bench.open().start(bench.request('true'))).exited;

    assert.deepEqual([exit.reason, exit.detail], ['not-started', 'no such queue']);
  });

  it('tells how a job ended whose launcher could not', async (t) => {
    const bench = await openBench(t);
    const executor = bench.open();
    const exitAfter = async (cause: EndCause): Promise<Exit> => {
      const request = bench.request(`echo $$ > started-${cause}; sleep 600`);
      const execution = await executor.start(request);
      await soon(() => bench.read(`started-${cause}`) !== '', 'the command does not start');
      bench.cluster.lose(bench.cluster.jobs.find(({ job }) => job.name.includes(`:${request.id}:`))!.id, cause);
      return execution.exited;
    };

    const causes = ['cancelled', 'out-of-memory', 'node-failed', 'preempted', 'forgotten', 'timeout'] as const;
    const exits = (await Promise.all(causes.map(exitAfter))).map(({ reason, detail }) => [reason, detail]);

    assert.deepEqual(exits, [
      ['signalled', 'Local: the job was cancelled, and not by Kedge'],
      ['signalled', 'Local: the job was out of memory'],
      ['signalled', 'Local: the node of the job failed'],
      ['signalled', 'Local: the job had to make room for another'],
      ['signalled', 'Local: the job is not known any more'],
      ['timeout', 'the limit of 10 min 0 s was over'],
    ]);
  });

  it('stops a job that waits at once, and leaves it nothing to do when its turn comes', async (t) => {
    const bench = await openBench(t);
    bench.cluster.holds = true;
    const execution = await bench.open().start(bench.request('touch ran'));
    await soon(() => bench.cluster.jobs.length === 1, 'the job is not handed in');
    const launcher = bench.cluster.jobs[0]!.job.command.at(-1)!;
    assert.ok(existsSync(launcher));

    await execution.stop(60_000);

    assert.deepEqual(brief(await execution.exited), ['stopped', undefined, undefined]);
    assert.ok((execution.waitedMs?.() ?? 0) > 0);
    assert.ok(!existsSync(launcher));
    assert.deepEqual(readdirSync(bench.jobs), []);
  });

  it('waits while the cluster is away, and gives up when it is told to', async (t) => {
    const bench = await openBench(t);
    bench.cluster.isAway = true;
    const executor = bench.open();
    const [first, second] = [
      await executor.start(bench.request('touch first')),
      await executor.start(bench.request('touch second')),
    ];

    await first.stop(0);
    bench.cluster.isAway = false;

    assert.deepEqual(brief(await first.exited), ['stopped', undefined, undefined]);
    assert.deepEqual(brief(await second.exited), ['exited', 0, undefined]);
    assert.deepEqual([existsSync(join(bench.dir, 'first')), existsSync(join(bench.dir, 'second'))], [false, true]);
  });

  it('ends what an earlier one of its name left, and nothing of others, before anything starts', async (t) => {
    const bench = await openBench(t);
    const sleeping = (name: string): ExecutionRequest => bench.request(`echo $$ > ${name}; sleep 600`);
    await bench.open().start(sleeping('mine'));
    await bench.open('w2', join(bench.dir, 'others')).start(sleeping('name'));
    await bench.open('w', join(bench.dir, 'other')).start(sleeping('folder'));
    const pid = (name: string): number => Number(bench.read(name));
    await soon(() => ['mine', 'name', 'folder'].every((name) => pid(name) > 0), 'a command does not start');

    const exit = await (await bench.open().start(bench.request('true'))).exited;

    assert.deepEqual(brief(exit), ['exited', 0, undefined]);
    assert.deepEqual(
      ['mine', 'name', 'folder'].map((name) => isGone(pid(name))),
      [true, false, false],
    );
  });

  it('ends what a command leaves behind, also in a session of its own', async (t) => {
    const bench = await openBench(t);
    const escapes = `setsid sh -c 'trap "" TERM HUP; echo $$ > escaped; exec sleep 600' &`;
    const script = `${escapes} while [ ! -s escaped ]; do sleep 0.05; done`;

    const exit = await (await bench.open().start(bench.request(script))).exited;

    assert.deepEqual(brief(exit), ['exited', 0, undefined]);
    assert.ok(isGone(Number(bench.read('escaped'))));
  });

  it('keeps environment and input out of the job, and removes them once the command runs', async (t) => {
    const bench = await openBench(t);
    const script = 'cat > input; echo "$SECRET" > env; while [ ! -e go ]; do sleep 0.05; done';
    const request = bench.request(script, { env: { SECRET: 'k1' }, stdin: Buffer.from('k2') });
    const execution = await bench.open().start(request);
    await soon(() => bench.read('env') !== '', 'the command does not start');

    const [folder = ''] = readdirSync(bench.jobs);
    const left = readdirSync(join(bench.jobs, folder)).sort();
    const { job } = bench.cluster.jobs[0]!;

    assert.deepEqual([bench.read('env'), bench.read('input')], ['k1\n', 'k2']);
    assert.deepEqual(left, ['claim', 'control', 'events', 'launch.py', 'stderr', 'stdout']);
    assert.ok(!/k1|k2/.test(JSON.stringify(job)));
    await execution.stop(0);
  });
});
