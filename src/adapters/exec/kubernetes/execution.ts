import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import { formatDuration } from '#core/units';
import type { Execution, ExecutionRequest, Exit, OutputStream } from '#ports/executor';
import { ApiError } from './api/client.ts';
import { followLog } from './api/logs.ts';
import type { ReadJob, ReadPod } from './api/objects.ts';
import { type CreateContext, CreateFailure, createJob, createOwned, type Removal, remove } from './create.ts';
import { type Ending, isPastDeadline, judge } from './judge.ts';
import { CONTAINER, type ExecutionJobOptions, executionJob, executionSecrets } from './manifests/execution-job.ts';
import { ANNOTATIONS } from './manifests/names.ts';
import type { JobManifest } from './manifests/objects.ts';
import { graceSeconds } from './manifests/pod.ts';

export interface ExecutionContext extends CreateContext {
  readonly job: ExecutionJobOptions;
  readonly queueMsMax: number;
  /** How long the cluster may take to confirm that a command has ended, past its grace. */
  readonly confirmMsMax: number;
  readonly splitStreams: boolean;
}

const GRACE_MS = 5_000;
/** The longest delay that timers can hold. */
const DELAY_MS_MAX = 2_147_483_647;
/** How long the rest of the log of a command that has ended is waited for. */
const DRAIN_MS = 30_000;
const BACKOFF_CAP_MS = 10_000;
/** Label of the Job controller on pods: the uid of their Job. */
const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

type Interruption = { readonly reason: 'timeout' | 'stopped' | 'not-started'; readonly detail?: string };

/**
 * One Job. What happens to it is told by its owner, who watches the cluster: {@link sawJob}, {@link sawPod},
 * {@link lostJob}.
 *
 * created ──► queued (suspended) ──► waiting ──► running ──► ended ──► log drained ──► `exited` resolves, Job deleted.
 * Stop, time-out and a start that takes too long delete pod and Job, and wait until the cluster says that it ended.
 */
export class KubernetesExecution implements Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  readonly manifest: JobManifest;
  readonly #request: ExecutionRequest;
  readonly #context: ExecutionContext;
  readonly #startedAt: number;
  readonly #timers = new Map<'start' | 'queue' | 'wall' | 'confirm', () => void>();
  readonly #following = new AbortController();
  readonly #ended = new AbortController();
  readonly #pods = new Map<string, ReadPod>();
  #resolve: (exit: Exit) => void = () => {};
  #job: ReadJob | undefined;
  #logs: Promise<void> | undefined;
  #hasStarted = false;
  #waitsFor = 'nothing was heard of it';
  #interruption: Interruption | undefined;
  #isOver = false;
  #outputBytes = 0;
  #outputBytesCut = 0;

  constructor(request: ExecutionRequest, context: ExecutionContext) {
    this.id = request.id;
    this.#request = request;
    this.#context = context;
    this.#startedAt = context.clock.monotonic();
    this.manifest = executionJob(request, context.job);
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Whether the cluster has confirmed the Job. */
  get isCreated(): boolean {
    return this.#job !== undefined;
  }

  /** Namespace and name, as `kubectl` takes them apart. */
  job(): string | undefined {
    const { name } = this.manifest.metadata;
    return this.isCreated ? `${this.#context.job.namespace}/${name}` : undefined;
  }

  /** Makes the Job and its Secrets. Throws `executor/exists`; any other failure is an exit. */
  async begin(): Promise<void> {
    const { job: options } = this.#context;
    try {
      const job = await createJob(this.manifest, this.#context);
      this.#job ??= job;
      const path = `/api/v1/namespaces/${options.namespace}/secrets`;
      const secrets = executionSecrets(this.#request, { ...options, jobUid: job.metadata.uid });
      await Promise.all(secrets.map((secret) => createOwned(secret, path, this.#context)));
    } catch (error) {
      if (!(error instanceof CreateFailure)) throw error;
      this.#finish({ reason: 'not-started', detail: messageOf(error) });
      return;
    }
    this.#evaluate();
  }

  sawJob(job: ReadJob): void {
    if (job.metadata.annotations?.[ANNOTATIONS.start] !== this.#context.job.start) return;
    this.#job = job;
    this.#evaluate();
  }

  sawPod(pod: ReadPod): void {
    this.#pods.set(pod.metadata.name, pod);
    this.#evaluate();
  }

  /** The Job is not there any more, and with it the pod. */
  lostJob(uid?: string): void {
    if (!this.#job || (uid !== undefined && uid !== this.#job.metadata.uid)) return;
    this.#finish(
      this.#hasStarted
        ? { reason: 'signalled', signal: 'SIGKILL', detail: 'the Job was deleted' }
        : { reason: 'not-started', detail: 'the Job was deleted before it started' },
    );
  }

  async stop(graceMs: number): Promise<void> {
    this.#interrupt({ reason: 'stopped' }, graceMs);
    await this.exited;
  }

  /** Lets go of it: nobody learns any more how it ends. */
  detach(): void {
    this.#isOver = true;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
  }

  get #pod(): ReadPod | undefined {
    const uid = this.#job?.metadata.uid;
    return [...this.#pods.values()].findLast(({ metadata }) => metadata.labels?.[CONTROLLER_UID] === uid);
  }

  #evaluate(): void {
    const job = this.#job;
    if (this.#isOver || !job) return;
    const pod = this.#pod;
    if (isPastDeadline(job)) this.#interruption ??= { reason: 'timeout', detail: 'the deadline of the Job was over' };
    const verdict = judge({ job, pod, hasStarted: this.#hasStarted }, this.#request);
    if (verdict.state === 'ended') {
      this.#finish(verdict.ending);
    } else if (verdict.state === 'running') {
      this.#running();
    } else if (verdict.state === 'queued') {
      this.#cancel('start');
      this.#limit('queue', this.#context.queueMsMax, () => 'no queue has admitted it');
    } else {
      this.#cancel('queue');
      this.#waitsFor = verdict.detail;
      this.#limit('start', this.#context.job.startMsMax, () => this.#waitsFor);
      if (verdict.isFinal) this.#interrupt({ reason: 'not-started', detail: verdict.detail }, 0);
    }
  }

  #running(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#cancel('queue');
    this.#cancel('start');
    const { wallMs, graceMs = GRACE_MS } = this.#request.limits;
    const detail = `the limit of ${formatDuration(wallMs)} was over`;
    this.#later('wall', wallMs, () => this.#interrupt({ reason: 'timeout', detail }, graceMs));
    this.#follow();
  }

  #limit(timer: 'start' | 'queue', limitMs: number, why: () => string): void {
    if (this.#timers.has(timer) || this.#hasStarted) return;
    this.#later(timer, limitMs, () => {
      const detail = `it did not start in ${formatDuration(limitMs)}: ${why()}`;
      this.#interrupt({ reason: 'not-started', detail }, 0);
    });
  }

  #interrupt(interruption: Interruption, graceMs: number): void {
    if (this.#isOver) return;
    this.#interruption ??= interruption;
    const grace = Math.min(graceMs, DELAY_MS_MAX - this.#context.confirmMsMax);
    void this.#remove(graceSeconds(grace));
    this.#later('confirm', grace + this.#context.confirmMsMax, () => {
      const detail = 'the cluster has not confirmed that it ended';
      this.#finish(this.#hasStarted ? { reason: 'signalled', detail } : { reason: 'not-started', detail });
    });
  }

  /** Pod first: the Job's deletion would give it the grace of its specification. */
  async #remove(gracePeriodSeconds: number): Promise<void> {
    const { clock, random, signal, job } = this.#context;
    const [jobUid, pod] = [this.#job?.metadata.uid, this.#pod];
    if (jobUid === undefined) return;
    for (let failures = 0; !this.#isOver && !signal.aborted; failures++) {
      try {
        if (pod) {
          const podPath = `/api/v1/namespaces/${job.namespace}/pods/${pod.metadata.name}`;
          await remove(podPath, { uid: pod.metadata.uid, gracePeriodSeconds }, this.#context);
        }
        const isThere = await this.#removeJob({ uid: jobUid, propagationPolicy: 'Foreground' });
        if (!isThere) this.lostJob(jobUid);
        return;
      } catch (error) {
        const waitMs = error instanceof ApiError ? error.retryAfterMs : undefined;
        await sleep(clock, waitMs ?? backoffMs(failures, random, { capMs: BACKOFF_CAP_MS }), signal);
      }
    }
  }

  #removeJob(removal: Removal): Promise<boolean> {
    const path = `/apis/batch/v1/namespaces/${this.#context.job.namespace}/jobs/${this.manifest.metadata.name}`;
    return remove(path, removal, this.#context);
  }

  #finish(ending: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended.abort();
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    // A command may be over before anybody saw it run.
    if (ending.reason !== 'not-started' && this.#pod) this.#follow();
    void this.#settle(ending);
  }

  async #settle(ending: Ending): Promise<void> {
    const { clock } = this.#context;
    const drained = new AbortController();
    const logs = this.#logs?.then(() => drained.abort());
    if (logs) await Promise.race([logs, sleep(clock, DRAIN_MS, drained.signal)]);
    this.#following.abort();
    drained.abort();
    this.#resolve({
      ...ending,
      ...this.#interruption,
      durationMs: clock.monotonic() - this.#startedAt,
      outputBytes: this.#outputBytes,
      outputBytesCut: this.#outputBytesCut,
    });
  }

  /** Deletes what is left of it in the cluster, if that succeeds soon; otherwise `ttlSecondsAfterFinished` does. */
  async discard(): Promise<void> {
    const uid = this.#job?.metadata.uid;
    if (uid === undefined) return;
    const { clock, random, signal } = this.#context;
    for (let failures = 0; failures < 5 && !signal.aborted; failures++) {
      try {
        await this.#removeJob({ uid, propagationPolicy: 'Foreground' });
        return;
      } catch {
        await sleep(clock, backoffMs(failures, random), signal);
      }
    }
  }

  #follow(): void {
    const pod = this.#pod?.metadata.name;
    if (this.#logs || pod === undefined) return;
    const { api, clock, random, job, splitStreams } = this.#context;
    const follow = (output: OutputStream, stream?: 'Stdout' | 'Stderr'): Promise<void> =>
      followLog({
        api,
        namespace: job.namespace,
        pod,
        container: CONTAINER,
        ...(stream ? { stream } : {}),
        clock,
        random,
        ended: this.#ended.signal,
        onBytes: (bytes) => this.#pass(output, bytes),
        signal: AbortSignal.any([this.#following.signal, this.#context.signal]),
      });
    const parts = splitStreams ? [follow('stdout', 'Stdout'), follow('stderr', 'Stderr')] : [follow('stdout')];
    this.#logs = Promise.all(parts).then(() => {});
  }

  #pass(stream: OutputStream, chunk: Buffer): void {
    const room = Math.max(0, this.#request.limits.outputBytesMax - (this.#outputBytes - this.#outputBytesCut));
    const passed = chunk.subarray(0, room);
    this.#outputBytes += chunk.length;
    this.#outputBytesCut += chunk.length - passed.length;
    if (passed.length > 0) this.#request.onOutput?.(stream, passed);
  }

  #later(name: 'start' | 'queue' | 'wall' | 'confirm', delayMs: number, callback: () => void): void {
    this.#cancel(name);
    this.#timers.set(name, this.#context.clock.after(delayMs, callback));
  }

  #cancel(name: 'start' | 'queue' | 'wall' | 'confirm'): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}
