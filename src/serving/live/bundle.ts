import { z } from 'zod';
import type { Arm } from '../routing.ts';
import { armSchema } from '../routing.ts';
import { logLine, type Observation, type OddRequest, observation, oddRequest } from './observation.ts';

/** How two revisions differ in what can be seen from outside. */
const revisionDiff = z.object({
  sameFile: z.boolean(),
  inputsAdded: z.array(z.string()),
  inputsRemoved: z.array(z.string()),
  /** Numeric in one and a category in the other. */
  inputsChanged: z.array(z.string()),
  /** The same inputs at other places. */
  reordered: z.boolean(),
  outputChanged: z.boolean(),
});

/** What a post-mortem of a rollback starts from. Written with the rollback, in its transaction, and never changed. */
export const incidentBundle = z.object({
  rollout: z.string(),
  endpoint: z.string(),
  /** When it was rolled back, in epoch milliseconds, and why. */
  at: z.number(),
  by: z.string(),
  sentence: z.string(),
  strategy: z.string(),
  current: armSchema.nullable(),
  candidate: armSchema.nullable(),
  difference: revisionDiff.nullable(),
  /** What to do next; to roll forward where the former revision fails too. */
  advice: z.string(),
  /** Of the traffic: what each measure showed at the end. */
  findings: z.array(z.record(z.string(), z.unknown())),
  /** Which share went to the candidate from when on, and why. */
  routing: z.array(
    z.object({ at: z.number(), weight: z.number(), stage: z.string(), by: z.string(), sentence: z.string() }),
  ),
  /** The newest blocks of what the gateways saw, oldest first. */
  traffic: z.array(observation.omit({ odd: true, logs: true })),
  /** Requests that failed, were slow, or got different decisions, oldest first. */
  requests: z.array(oddRequest),
  /** What gateways warned of, each line with the gateway that wrote it, oldest first. */
  logs: z.array(logLine.extend({ source: z.string() })).default([]),
  /** Offered where going back does not help, because the former revision no longer fits either. */
  rollForward: z.object({ offered: z.boolean(), because: z.string() }).nullable().default(null),
  /** The newest hours of late labels, oldest first. */
  labels: z.array(z.record(z.string(), z.unknown())),
});
export type IncidentBundle = z.output<typeof incidentBundle>;

export function differenceOf(current: Arm, candidate: Arm): z.output<typeof revisionDiff> {
  const [before, after] = [kindsOf(current), kindsOf(candidate)];
  const both = [...after.keys()].filter((name) => before.has(name));
  const inputsAdded = [...after.keys()].filter((name) => !before.has(name));
  const inputsRemoved = [...before.keys()].filter((name) => !after.has(name));
  const sameNames = inputsAdded.length + inputsRemoved.length === 0;
  return {
    sameFile: current.digest === candidate.digest,
    ...{ inputsAdded, inputsRemoved },
    inputsChanged: both.filter((name) => before.get(name) !== after.get(name)),
    reordered: sameNames && [...before.keys()].join('\n') !== [...after.keys()].join('\n'),
    outputChanged: current.signature.output !== candidate.signature.output,
  };
}

function kindsOf({ signature }: Arm): ReadonlyMap<string, string> {
  return new Map(signature.inputs.map(({ name, kind }) => [name, kind]));
}

/** Of a bundle. */
const REQUESTS_KEPT = 100;

/** The newest requests of the blocks, and those that came with a report and are in none of these. */
export function requestsOf(seen: readonly Pick<Observation, 'odd'>[], reported: readonly OddRequest[]): OddRequest[] {
  const all = [...seen.flatMap(({ odd }) => odd), ...reported];
  const byName = new Map(all.map((request) => [JSON.stringify([request.kind, request.id]), request]));
  return [...byName.values()].slice(-REQUESTS_KEPT);
}
