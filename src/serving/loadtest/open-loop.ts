import { assert } from '#core/assert';
import { type Clock, sleep } from '#core/clock';
import type { Random } from '#core/random';

export interface OpenLoopOptions<Body> {
  /** Sent in turn. */
  readonly bodies: readonly Body[];
  /** Asks once: `answered`, or what happened instead. Must not reject. */
  readonly send: (body: Body) => Promise<string>;
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
  /** `even` at equal distances; `poisson` as independent users come. */
  readonly arrivals: 'even' | 'poisson';
  /** Requests in work at once; those due beyond it are not sent and count as failed. */
  readonly inWorkMax: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends it early: what was not due yet is not sent. */
  readonly signal?: AbortSignal;
}

export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  /** By what happened instead of an answer, and `not-sent` past the limit of requests in work. */
  readonly failures: Readonly<Record<string, number>>;
  readonly ratePlanned: number;
  /** Answers per second from the first request to the last answer. */
  readonly rateAchieved: number;
  /** Of answers, from when each request was due; null when there are none. */
  readonly latencyMs: LatencyMs | null;
  /** By how much the sender itself was late at worst: past some milliseconds this machine is what was measured. */
  readonly senderLateMs: number;
}

export interface LatencyMs {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const TICK_MS = 1;

/**
 * Sends requests at the times a plan made beforehand says, whether or not the server keeps up, and counts the time of
 * each from when it was *due*. A closed loop sends its next request after the last answer, so a server that stalls is
 * asked less just then, and the stall is counted once instead of for all who would have come (Tene's "coordinated
 * omission"). Arrivals that fall due together are sent together.
 */
export async function openLoop<Body>(options: OpenLoopOptions<Body>): Promise<LoadReport> {
  const { clock, rate, seconds, inWorkMax, bodies, send, signal } = options;
  assert(bodies.length > 0, 'there is nothing to send');
  const dueMs = plan(options);
  const latencies: number[] = [];
  const failures: Record<string, number> = {};
  const startedMs = clock.monotonic();
  let [inWork, sent, senderLateMs, lastMs] = [0, 0, 0, 0];
  const pending: Promise<void>[] = [];
  const fail = (what: string): void => {
    failures[what] = (failures[what] ?? 0) + 1;
  };
  for (let i = 0; i < dueMs.length && !signal?.aborted; ) {
    const now = clock.monotonic() - startedMs;
    for (; i < dueMs.length && (dueMs[i] as number) <= now; i++) {
      const due = dueMs[i] as number;
      senderLateMs = Math.max(senderLateMs, now - due);
      if (inWork >= inWorkMax) {
        fail('not-sent');
        continue;
      }
      inWork += 1;
      sent += 1;
      const answer = send(bodies[i % bodies.length] as Body).then((outcome) => {
        inWork -= 1;
        lastMs = clock.monotonic() - startedMs;
        if (outcome === 'answered') latencies.push(lastMs - due);
        else fail(outcome);
      });
      pending.push(answer);
    }
    if (i < dueMs.length) await sleep(clock, TICK_MS);
  }
  await Promise.all(pending);
  const elapsed = Math.max(lastMs / 1_000, seconds);
  return {
    ...{ sent, answered: latencies.length, failures, ratePlanned: rate, senderLateMs },
    rateAchieved: latencies.length / elapsed,
    latencyMs: summary(latencies),
  };
}

/** When each request is due, in milliseconds from the start. */
function plan({ rate, seconds, arrivals, random }: Omit<OpenLoopOptions<never>, 'send' | 'bodies'>): readonly number[] {
  if (arrivals === 'even') return Array.from({ length: Math.round(rate * seconds) }, (_, i) => (1_000 * i) / rate);
  const due: number[] = [];
  for (let at = 0; ; ) {
    at -= (1_000 * Math.log(1 - random.next())) / rate;
    if (at >= 1_000 * seconds) return due;
    due.push(at);
  }
}

/** Quantiles by the nearest rank. */
function summary(latencies: readonly number[]): LatencyMs | null {
  if (latencies.length === 0) return null;
  const sorted = Float64Array.from(latencies).sort();
  const quantile = (q: number): number => sorted[Math.min(sorted.length, Math.ceil(q * sorted.length)) - 1] as number;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    ...{ mean, p50: quantile(0.5), p90: quantile(0.9), p95: quantile(0.95) },
    ...{ p99: quantile(0.99), p999: quantile(0.999), max: quantile(1) },
  };
}
