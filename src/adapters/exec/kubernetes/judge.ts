import { constants } from 'node:os';
import type { ExecutionRequest, Exit } from '#ports/executor';
import type { Condition, ContainerStatus, ReadJob, ReadPod, Terminated } from './api/objects.ts';
import { CONTAINER } from './manifests/execution-job.ts';

/** How a command ended, without the figures of it. */
export type Ending = Pick<Exit, 'reason' | 'code' | 'signal' | 'detail'>;

/** What the objects of the cluster say of an execution. */
export type Verdict =
  | { readonly state: 'queued' }
  /** The command has not started, for the reason that `detail` tells; with `isFinal` it never will. */
  | { readonly state: 'waiting'; readonly detail: string; readonly isFinal: boolean }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly ending: Ending };

/** Waiting reasons that no repetition changes (kubelet, `pkg/kubelet/images/types.go`). */
const FINAL_WAITS: readonly string[] = ['InvalidImageName', 'ErrImageNeverPull'];
/** Reasons of a container that was made but whose first process could not be started (containerd, Docker). */
const NOT_STARTED: readonly string[] = ['StartError', 'ContainerCannotRun'];
const DEADLINE = 'DeadlineExceeded';
const FAILED: readonly string[] = ['Failed', 'FailureTarget'];

export interface Seen {
  readonly job?: ReadJob | undefined;
  readonly pod?: ReadPod | undefined;
  /** Whether the command was seen running. */
  readonly hasStarted: boolean;
}

/** Reads the state of an execution from its Job and pod, neither of which is told to us in order. */
export function judge({ job, pod, hasStarted }: Seen, request: ExecutionRequest): Verdict {
  const status = pod?.status?.containerStatuses?.find(({ name }) => name === CONTAINER);
  const terminated = status?.state?.terminated;
  if (pod && terminated) return { state: 'ended', ending: endingOf(terminated, { pod, job, request }) };
  if (pod?.status?.phase === 'Failed' || pod?.status?.phase === 'Succeeded') {
    return { state: 'ended', ending: lost(hasStarted, podWords(pod) ?? 'the pod ended without a state') };
  }
  const failure = job?.status?.conditions?.find((found) => found.type === 'Failed' && found.status === 'True');
  if (failure) {
    const detail = conditionWords(failure);
    if (failure.reason === DEADLINE) return { state: 'ended', ending: { reason: 'timeout', detail } };
    return { state: 'ended', ending: lost(hasStarted, detail) };
  }
  if (status?.state?.running) return { state: 'running' };
  if (!pod && isSuspended(job)) return { state: 'queued' };
  return waiting(status, pod);
}

function isSuspended(job: ReadJob | undefined): boolean {
  return job?.spec?.suspend === true;
}

/** Whether the cluster ends the Job because its `activeDeadlineSeconds` are over. */
export function isPastDeadline(job: ReadJob | undefined): boolean {
  return (job?.status?.conditions ?? []).some(
    ({ type, status, reason }) => FAILED.includes(type) && status === 'True' && reason === DEADLINE,
  );
}

function waiting(status: ContainerStatus | undefined, pod: ReadPod | undefined): Verdict {
  const wait = status?.state?.waiting;
  if (wait?.reason && wait.reason !== 'ContainerCreating' && wait.reason !== 'PodInitializing') {
    const detail = wait.message ? `${wait.reason}: ${wait.message}` : wait.reason;
    return { state: 'waiting', detail, isFinal: FINAL_WAITS.includes(wait.reason) };
  }
  const scheduled = pod?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') return { state: 'waiting', detail: conditionWords(scheduled), isFinal: false };
  return { state: 'waiting', detail: pod ? 'the container is being made' : 'no pod was made', isFinal: false };
}

interface Around {
  readonly pod: ReadPod;
  readonly job: ReadJob | undefined;
  readonly request: ExecutionRequest;
}

function endingOf(ended: Terminated, { pod, job, request }: Around): Ending {
  const { exitCode, reason, message } = ended;
  if (reason && NOT_STARTED.includes(reason)) {
    return { reason: 'not-started', detail: startFailure(message ?? reason, request) };
  }
  const detail = reason === 'OOMKilled' ? 'out of memory: the limit of the container was passed' : podWords(pod);
  const how = { ...codeOrSignal(ended), ...(detail ? { detail } : {}) };
  if (pod.status?.reason === DEADLINE || isPastDeadline(job)) {
    return { ...how, reason: 'timeout', detail: detail ?? 'the deadline of the Job was over' };
  }
  // The exit code of a container whose runtime has forgotten it is made up.
  if (reason === 'ContainerStatusUnknown') return lost(true, detail ?? message ?? `${reason} ${exitCode}`);
  return { reason: how.signal ? 'signalled' : 'exited', ...how };
}

/** Container runtimes report the death by signal n as exit code 128 + n, as shells do. */
function codeOrSignal({ exitCode, signal }: Terminated): Pick<Ending, 'code' | 'signal'> {
  const number = signal || (exitCode > 128 ? exitCode - 128 : 0);
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found ? { signal: found[0] } : { code: exitCode };
}

/** What took the command away was not its own doing, and nothing tells how it ended. */
function lost(hasStarted: boolean, detail: string): Ending {
  return hasStarted ? { reason: 'signalled', signal: 'SIGKILL', detail } : { reason: 'not-started', detail };
}

/** Why the cluster took a pod away: evicted, pre-empted, its node shut down or lost. */
function podWords(pod: ReadPod): string | undefined {
  const { reason, message, conditions = [] } = pod.status ?? {};
  if (reason) return message ? `${reason}: ${message}` : reason;
  const disruption = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  return disruption && conditionWords(disruption);
}

function conditionWords({ type, reason = type, message }: Condition): string {
  return message ? `${reason}: ${message}` : reason;
}

/** The messages are those of runc and crun, which the container runtime passes on. */
function startFailure(message: string, { command, cwd }: ExecutionRequest): string {
  const [program] = command;
  if (/chdir to cwd|working directory|mkdir .*cwd/i.test(message)) return `the working folder '${cwd}' does not exist`;
  if (/executable file .*not found|no such file or directory/i.test(message)) {
    return `the program '${program}' was not found`;
  }
  if (/permission denied/i.test(message)) return `the program '${program}' may not be executed`;
  return `the program '${program}' could not be started: ${message}`;
}
