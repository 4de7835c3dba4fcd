import { defineErrors } from '#core/errors';

/** What the executor of clusters needs of one: to hand in, find, look at and end jobs. */
export interface Cluster {
  /** For people. */
  readonly name: string;
  /**
   * Hands in a job and answers its id at the cluster. Throws `cluster/refused` when the cluster has understood it and
   * will not run it; with any other error nobody knows whether it has the job.
   */
  submit(job: ClusterJob): Promise<string>;
  /** The jobs that wait or run and whose name begins so. */
  find(prefix: string): Promise<readonly FoundJob[]>;
  state(id: string): Promise<JobState>;
  /**
   * Ends a job, as soon as the cluster can. One that has ended or is not known is left alone. One that waits may stay
   * in the queue: its launcher is told by its folder that it is not wanted.
   */
  cancel(id: string): Promise<void>;
  /** Makes the cluster forget a job that has ended, where it would keep it for ever. */
  forget?(id: string): Promise<void>;
}

export interface ClusterJob {
  /** Names the job among all that were ever handed in: letters, digits and `. _ @ : -`. */
  readonly name: string;
  /** Program and arguments. None of them is a secret. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** Where the cluster may write what the job itself has to say, beside the command that it runs. */
  readonly logPath: string;
  /** After this time the cluster may end the job, if it can. */
  readonly wallMs: number;
  readonly resources: Readonly<Record<string, number>>;
}

export interface FoundJob {
  readonly id: string;
  readonly isRunning: boolean;
}

export type JobState =
  | { readonly phase: 'waiting' | 'running' }
  | { readonly phase: 'ended'; readonly cause: EndCause; readonly detail?: string };

export type EndCause =
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'timeout'
  | 'out-of-memory'
  | 'node-failed'
  | 'preempted'
  /** The cluster does not know the job, which it forgets some time after its end. */
  | 'forgotten';

export const clusterErrors = defineErrors('cluster', {
  refused: { status: 400, title: 'The cluster refuses the job' },
  unreachable: { status: 502, title: 'The cluster does not answer as it should' },
});
