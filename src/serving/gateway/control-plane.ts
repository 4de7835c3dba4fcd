import { z } from 'zod';
import { accountsContract, type CallerTable, callerTableSchema } from '#platform/accounts/contract';
import { createClient, ProblemError } from '#platform/contract';
import type { CheckReport } from '../checks/check-result.ts';
import type { GoldenRequest } from '../checks/golden-request.ts';
import type { CheckWork } from '../checks/routes.ts';
import { PACKED_PREDICTIONS, servingContract } from '../contract.ts';
import type { LogLine, Observation, OddRequest } from '../live/observation.ts';
import {
  type Arm,
  armSchema,
  type RoutingTable,
  routingTableSchema,
  type TensorVersion,
  tensorVersionSchema,
} from '../routing.ts';
import type { Trip } from './guardrail.ts';
import { packPredictions } from './recording/packed-predictions.ts';
import { postingTo } from './recording/post-bytes.ts';
import type { PostResult } from './recording/shipper.ts';

export interface ControlPlaneAddress {
  readonly url: string;
  readonly token?: string | undefined;
}

/** What a gateway asks of the control plane. Every call rejects when the control plane cannot be reached. */
export interface ControlPlane {
  /** The routing table once it is newer than `after`, or the one there is after some 25 seconds. */
  routing(after: number, signal: AbortSignal): Promise<RoutingTable>;
  /** Who may call, once it is another table than the one with the tag `after`, or the same after some 25 seconds. */
  callers(after: string, signal: AbortSignal): Promise<CallerTable>;
  /** A registered version that no endpoint routes to; `undefined` when it does not exist. */
  resolve(model: string, version: number, signal: AbortSignal): Promise<Arm | TensorVersion | undefined>;
  report(report: GuardrailReport, signal: AbortSignal): Promise<void>;
  observe(seen: Observation, signal: AbortSignal): Promise<void>;
  /** What is to be checked of the candidate of a rollout; `undefined` when that is over. */
  checkWork(rollout: string, signal: AbortSignal): Promise<CheckWork | undefined>;
  reportChecks(report: CheckReport, signal: AbortSignal): Promise<void>;
  /** Requests as an endpoint gets them. */
  examples(endpoint: string, signal: AbortSignal): Promise<readonly GoldenRequest[]>;
  /** Takes records of the log; see {@link packPredictions}. */
  predictions(records: readonly Uint8Array[], signal: AbortSignal): Promise<PostResult>;
}

export interface GuardrailReport extends Trip {
  readonly endpoint: string;
  readonly rollout: string;
  readonly odd?: readonly OddRequest[];
  readonly logs?: readonly LogLine[];
}

const POST_TIMEOUT_MS = 30_000;
/** A routing table waits for them. */
const EXAMPLES_TIMEOUT_MS = 2_000;
/** The control plane answers a poll within 25 seconds; past this the connection is dead. */
const POLL_TIMEOUT_MS = 40_000;
/** What was asked about has ended, or never was. */
const GONE: readonly number[] = [404, 409];
/** These say that the content is at fault: sending it again cannot help. */
const REFUSALS: readonly number[] = [400, 413, 422];

export function connectControlPlane({ url, token }: ControlPlaneAddress): ControlPlane {
  const client = createClient(servingContract, { baseUrl: url, token });
  const accounts = createClient(accountsContract, { baseUrl: url, token });
  const packedUrl = `${url}/api/v1/predictions/packed`;
  const postPacked = postingTo(packedUrl, {
    'content-type': PACKED_PREDICTIONS,
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  });
  return {
    async routing(after, signal) {
      return routingTableSchema.parse(
        await client.pollRouting({ query: { after }, signal: within(signal, POLL_TIMEOUT_MS) }),
      );
    },
    async callers(after, signal) {
      return callerTableSchema.parse(
        await accounts.pollCallers({ query: { after }, signal: within(signal, POLL_TIMEOUT_MS) }),
      );
    },
    async resolve(model, version, signal) {
      try {
        return z
          .union([armSchema, tensorVersionSchema])
          .parse(await client.resolveVersion({ params: { model, version }, signal }));
      } catch (error) {
        if (error instanceof ProblemError && error.problem.status === 404) return undefined;
        throw error;
      }
    },
    async report(report, signal) {
      try {
        await client.reportGuardrail({ body: bodyOfReport(report), signal: within(signal, POST_TIMEOUT_MS) });
      } catch (failure) {
        // A rollout that the control plane no longer knows has no traffic to be taken from.
        if (!(failure instanceof ProblemError) || failure.problem.status !== 404) throw failure;
      }
    },
    async observe(seen, signal) {
      try {
        await client.observeRollout({ body: seen, signal: within(signal, POST_TIMEOUT_MS) });
      } catch (failure) {
        // What is at fault stays at fault, and later blocks must not wait for it.
        if (!(failure instanceof ProblemError) || !REFUSALS.includes(failure.problem.status)) throw failure;
      }
    },
    async checkWork(rollout, signal) {
      return unlessGone(client.getCheckWork({ params: { rollout }, signal: within(signal, POST_TIMEOUT_MS) }));
    },
    async examples(endpoint, signal) {
      return (await client.listExamples({ params: { endpoint }, signal: within(signal, EXAMPLES_TIMEOUT_MS) })).items;
    },
    async reportChecks(report, signal) {
      await unlessGone(client.reportChecks({ body: report, signal: within(signal, POST_TIMEOUT_MS) }));
    },
    async predictions(records, signal) {
      const { status, text } = await postPacked(packPredictions(records), within(signal, POST_TIMEOUT_MS));
      if (status === 200) return 'accepted';
      if (REFUSALS.includes(status)) return 'refused';
      throw new Error(`${packedUrl} answered ${status}: ${text.slice(0, 300)}`);
    },
  };
}

function bodyOfReport({ error, odd = [], logs = [], ...report }: GuardrailReport) {
  return {
    ...report,
    ...(error === undefined ? {} : { error }),
    ...(odd.length > 0 ? { odd: [...odd] } : {}),
    ...(logs.length > 0 ? { logs: [...logs] } : {}),
  };
}

/** The answer, or `undefined` where what was asked about has ended. */
async function unlessGone<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (failure) {
    if (failure instanceof ProblemError && GONE.includes(failure.problem.status)) return undefined;
    throw failure;
  }
}

function within(signal: AbortSignal, timeoutMs: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
}
