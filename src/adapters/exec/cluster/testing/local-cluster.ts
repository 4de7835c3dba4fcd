import { type ChildProcess, spawn } from 'node:child_process';
import { type Cluster, type ClusterJob, clusterErrors, type EndCause } from '../cluster.ts';

interface LocalJob {
  readonly id: string;
  readonly job: ClusterJob;
  child: ChildProcess | undefined;
  cause: EndCause | undefined;
}

/**
 * A cluster that is this machine: each job is a process, which starts at once or when it is let. It does what a test
 * asks of it that real ones do seldom: lose answers, be away, lose jobs.
 */
export class LocalCluster implements Cluster {
  readonly name = 'Local';
  readonly jobs: LocalJob[] = [];
  /** Requests fail while it is set. */
  isAway = false;
  /** Jobs stay in the queue while it is set. */
  holds = false;
  /** What happens to the next submission. */
  next: 'answer' | 'take-and-lose-answer' | 'lose-and-take-later' | 'refuse' = 'answer';
  #late: ClusterJob | undefined;

  async submit(job: ClusterJob): Promise<string> {
    this.#answerOrThrow();
    const how = this.next;
    this.next = 'answer';
    if (how === 'refuse') throw clusterErrors.refused('no such queue');
    if (how === 'lose-and-take-later') this.#late = job;
    else this.#take(job);
    if (how !== 'answer') throw clusterErrors.unreachable('connection reset');
    // The request that was thought to be lost comes in first.
    const late = this.#late;
    this.#late = undefined;
    if (late) this.#take(late);
    return this.jobs.find((found) => found.job.name === job.name)!.id;
  }

  async find(prefix: string): Promise<{ id: string; isRunning: boolean }[]> {
    this.#answerOrThrow();
    return this.jobs
      .filter(({ job, cause }) => job.name.startsWith(prefix) && cause === undefined)
      .map(({ id, child }) => ({ id, isRunning: child !== undefined }));
  }

  async state(id: string): ReturnType<Cluster['state']> {
    this.#answerOrThrow();
    const { child, cause } = this.#job(id);
    if (cause) return { phase: 'ended', cause };
    return { phase: child ? 'running' : 'waiting' };
  }

  async cancel(id: string): Promise<void> {
    this.#answerOrThrow();
    this.lose(id, 'cancelled');
  }

  /** Kills a job at once, with its launcher. */
  lose(id: string, cause: EndCause): void {
    const job = this.#job(id);
    if (job.cause) return;
    job.cause = cause;
    if (job.child?.pid !== undefined) process.kill(-job.child.pid, 'SIGKILL');
  }

  #job(id: string): LocalJob {
    return this.jobs.find((job) => job.id === id)!;
  }

  #take(job: ClusterJob): void {
    const taken: LocalJob = { id: String(this.jobs.length + 1), job, child: undefined, cause: undefined };
    this.jobs.push(taken);
    if (this.holds) return;
    const [program = '', ...args] = job.command;
    const { PATH } = process.env;
    const child = spawn(program, args, { cwd: job.cwd, env: { PATH }, detached: true, stdio: 'ignore' });
    taken.child = child;
    child.once('exit', (code) => {
      taken.cause ??= code === 0 ? 'completed' : 'failed';
    });
  }

  #answerOrThrow(): void {
    if (this.isAway) throw clusterErrors.unreachable('connection refused');
  }
}
