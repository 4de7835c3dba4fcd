import { z } from 'zod';
import { type Cluster, type ClusterJob, clusterErrors, type EndCause, type JobState } from './cluster.ts';
import { type ClusterReply, clusterFetch } from './http.ts';
import { shellCommand } from './shell.ts';

export interface SlurmOptions {
  /** Where slurmrestd listens, such as `http://slurm.example:6820`. */
  readonly url: string;
  readonly user: string;
  /** A JSON web token of that user, asked for before each request. */
  readonly token: () => Promise<string>;
  /** Empty is the default partition. */
  readonly partition?: string;
}

/** The version of the interface, which slurmrestd has in its paths. Slurm 22.05 and 23.02 speak this one. */
const API = '/slurm/v0.0.38';
const MIB_PER_GIB = 1_024;

const reply = z.object({
  errors: z
    .array(
      z.object({
        error: z.string().optional(),
        description: z.string().optional(),
        error_number: z.number().optional(),
        error_code: z.number().optional(),
      }),
    )
    .default([]),
});
const submitted = z.object({ job_id: z.number().int().positive() });
const jobList = z.object({
  jobs: z.array(
    z.object({
      job_id: z.number().int(),
      job_state: z.string(),
      comment: z.string().nullish(),
      state_reason: z.string().nullish(),
      exit_code: z.number().int().nullish(),
    }),
  ),
});

const INVALID_JOB_ID = 2_017;
const ALREADY_DONE = 2_021;
/** Errors of slurmctld itself; what is below are those of communication. */
const CONTROLLER_ERRORS = { from: 2_000, to: 2_999 };

const CAUSES: Readonly<Record<string, EndCause>> = {
  COMPLETED: 'completed',
  FAILED: 'failed',
  BOOT_FAIL: 'node-failed',
  CANCELLED: 'cancelled',
  DEADLINE: 'timeout',
  NODE_FAIL: 'node-failed',
  OUT_OF_MEMORY: 'out-of-memory',
  PREEMPTED: 'preempted',
  REVOKED: 'cancelled',
  TIMEOUT: 'timeout',
};
const RUNNING = new Set(['RUNNING', 'COMPLETING', 'SUSPENDED', 'STOPPED', 'SIGNALING', 'STAGE_OUT']);

/** Slurm by its own interface over HTTP, slurmrestd. */
export function openSlurm({ url, user, token, partition = '' }: SlurmOptions): Cluster {
  const send = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<ClusterReply> =>
    clusterFetch({
      method,
      url: `${url.replace(/\/$/, '')}${API}${path}`,
      headers: { 'x-slurm-user-name': user, 'x-slurm-user-token': await token() },
      ...(body === undefined ? {} : { body }),
    });
  return {
    name: 'Slurm',
    async submit(job) {
      const answer = await send('POST', '/job/submit', submission(job, partition));
      const problem = problemOf(answer);
      if (problem) throw problem.isRefusal ? clusterErrors.refused(problem.words) : unreachable(problem.words);
      return String(submitted.parse(answer.body).job_id);
    },
    async find(prefix) {
      const answer = await send('GET', '/jobs/');
      const problem = problemOf(answer);
      if (problem) throw unreachable(problem.words);
      return jobList
        .parse(answer.body)
        .jobs.filter((job) => job.comment?.startsWith(prefix) && phaseOf(job.job_state) !== 'ended')
        .map((job) => ({ id: String(job.job_id), isRunning: phaseOf(job.job_state) === 'running' }));
    },
    async state(id) {
      const answer = await send('GET', `/job/${id}`);
      const problem = problemOf(answer);
      if (problem?.code === INVALID_JOB_ID) return { phase: 'ended', cause: 'forgotten' };
      if (problem) throw unreachable(problem.words);
      const [job] = jobList.parse(answer.body).jobs;
      return job ? stateOf(job) : { phase: 'ended', cause: 'forgotten' };
    },
    async cancel(id) {
      const problem = problemOf(await send('DELETE', `/job/${id}`));
      if (problem && problem.code !== INVALID_JOB_ID && problem.code !== ALREADY_DONE) throw unreachable(problem.words);
    },
  };
}

function submission({ name, command, cwd, logPath, wallMs, resources }: ClusterJob, partition: string): object {
  const { cpu = 1, memoryGiB, gpu, ...others } = resources;
  const counted = { ...(gpu === undefined ? {} : { gpu }), ...others };
  const gres = Object.entries(counted).map(([kind, count]) => `${kind}:${Math.ceil(count)}`);
  return {
    script: `#!/bin/sh\n${shellCommand(command)}\n`,
    job: {
      name: 'kedge',
      comment: name,
      tasks: 1,
      cpus_per_task: Math.ceil(cpu),
      ...(memoryGiB === undefined ? {} : { memory_per_node: Math.ceil(memoryGiB * MIB_PER_GIB) }),
      ...(gres.length > 0 ? { gres: gres.join(',') } : {}),
      ...(partition === '' ? {} : { partition }),
      // In minutes, and a little more: the launcher keeps the exact limit.
      time_limit: Math.ceil(wallMs / 60_000) + 1,
      current_working_directory: cwd,
      standard_output: logPath,
      // Slurm refuses an empty one. Nothing of the command's is here, because the controller keeps it.
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      // A job whose node failed is for Kedge to start again, as another attempt.
      no_requeue: true,
    },
  };
}

function phaseOf(state: string): JobState['phase'] {
  if (CAUSES[state]) return 'ended';
  return RUNNING.has(state) ? 'running' : 'waiting';
}

function stateOf({
  job_state: state,
  state_reason: reason,
}: {
  readonly job_state: string;
  readonly state_reason?: string | null | undefined;
}): JobState {
  const cause = CAUSES[state];
  if (!cause) return { phase: RUNNING.has(state) ? 'running' : 'waiting' };
  return { phase: 'ended', cause, ...(reason && reason !== 'None' ? { detail: `${state}, ${reason}` } : {}) };
}

interface Problem {
  readonly words: string;
  readonly code: number | undefined;
  /** The controller has understood the request and says no. */
  readonly isRefusal: boolean;
}

function problemOf({ status, body }: ClusterReply): Problem | undefined {
  const read = reply.safeParse(body);
  const errors = read.success ? read.data.errors : [];
  if (status < 400 && errors.length === 0) return undefined;
  const [first] = errors;
  const code = first?.error_number ?? first?.error_code;
  const words = errors.map(({ error, description }) => description ?? error).join('; ') || String(body).slice(0, 500);
  const isRefusal =
    status === 401 ||
    status === 403 ||
    (code !== undefined && code >= CONTROLLER_ERRORS.from && code <= CONTROLLER_ERRORS.to);
  return { words: `${words} (HTTP ${status}${code === undefined ? '' : `, error ${code}`})`, code, isRefusal };
}

function unreachable(words: string): Error {
  return clusterErrors.unreachable(`Slurm: ${words}`);
}
