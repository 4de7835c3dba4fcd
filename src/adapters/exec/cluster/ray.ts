import { z } from 'zod';
import { type Cluster, type ClusterJob, clusterErrors, type EndCause, type JobState } from './cluster.ts';
import { type ClusterReply, clusterFetch } from './http.ts';
import { shellCommand } from './shell.ts';

export interface RayOptions {
  /** The dashboard of the cluster, such as `http://ray.example:8265`. */
  readonly url: string;
  /** The token of a cluster that asks for one, asked for before each request. Empty presents none. */
  readonly token?: () => Promise<string>;
}

const BYTES_PER_GIB = 2 ** 30;
const WORDS_MAX = 1_000;

const jobInfo = z.object({
  submission_id: z.string().nullish(),
  status: z.enum(['PENDING', 'RUNNING', 'STOPPED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
});
type JobInfo = z.output<typeof jobInfo>;

const CAUSES: Readonly<Record<string, EndCause>> = { STOPPED: 'cancelled', SUCCEEDED: 'completed', FAILED: 'failed' };

/** Ray by its interface for jobs. A job has the name that it is given as its own id, so none is handed in twice. */
export function openRay({ url, token = async () => '' }: RayOptions): Cluster {
  const base = `${url.replace(/\/$/, '')}/api/jobs/`;
  const send = async (method: 'GET' | 'POST' | 'DELETE', path = '', body?: unknown): Promise<ClusterReply> => {
    const bearer = await token();
    return clusterFetch({
      method,
      url: `${base}${path}`,
      headers: bearer === '' ? {} : { authorization: `Bearer ${bearer}` },
      ...(body === undefined ? {} : { body }),
    });
  };
  return {
    name: 'Ray',
    async submit(job) {
      const answer = await send('POST', '', submission(job));
      const words = wordsOf(answer);
      if (answer.status < 300 || words.includes('already exists')) return job.name;
      if (isRefusal(answer.status)) throw clusterErrors.refused(words);
      throw unreachable(answer);
    },
    async find(prefix) {
      const answer = await send('GET');
      if (answer.status !== 200) throw unreachable(answer);
      return z
        .array(jobInfo)
        .parse(answer.body)
        .flatMap(({ submission_id: id, status }) => {
          const isLive = status === 'PENDING' || status === 'RUNNING';
          return id?.startsWith(prefix) && isLive ? [{ id, isRunning: status === 'RUNNING' }] : [];
        });
    },
    async state(id) {
      const answer = await send('GET', encodeURIComponent(id));
      if (answer.status === 404) return { phase: 'ended', cause: 'forgotten' };
      if (answer.status !== 200) throw unreachable(answer);
      return stateOf(jobInfo.parse(answer.body));
    },
    async cancel(id) {
      const answer = await send('POST', `${encodeURIComponent(id)}/stop`);
      if (answer.status !== 200 && answer.status !== 404) throw unreachable(answer);
    },
    async forget(id) {
      await send('DELETE', encodeURIComponent(id));
    },
  };
}

function submission({ name, command, resources }: ClusterJob): object {
  const { cpu = 1, memoryGiB, gpu, ...others } = resources;
  return {
    // Ray gives it to a shell.
    entrypoint: shellCommand(command),
    submission_id: name,
    entrypoint_num_cpus: cpu,
    ...(gpu === undefined ? {} : { entrypoint_num_gpus: gpu }),
    ...(memoryGiB === undefined ? {} : { entrypoint_memory: Math.ceil(memoryGiB * BYTES_PER_GIB) }),
    ...(Object.keys(others).length > 0 ? { entrypoint_resources: others } : {}),
  };
}

function stateOf({ status, message, error_type: type }: JobInfo): JobState {
  if (status === 'PENDING') return { phase: 'waiting' };
  if (status === 'RUNNING') return { phase: 'running' };
  const cause = type === 'JOB_SUPERVISOR_ACTOR_DIED' ? 'node-failed' : (CAUSES[status] ?? 'failed');
  return { phase: 'ended', cause, ...(message ? { detail: message.slice(0, WORDS_MAX) } : {}) };
}

/** Errors come as Python's own words for them, of which the last lines say what happened. */
function wordsOf({ status, body }: ClusterReply): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `${text.trim().slice(-WORDS_MAX)} (HTTP ${status})`;
}

/** What would be said of the same request again. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function unreachable(answer: ClusterReply): Error {
  return clusterErrors.unreachable(`Ray: ${wordsOf(answer)}`);
}
