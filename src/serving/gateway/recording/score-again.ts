import type { LiveEndpoint } from '../live-endpoint.ts';
import { answeringArm, type Prediction, replyTo, shadowArm } from '../prediction.ts';
import type { Row } from '../read-instance.ts';
import type { LogEntry, RecordedRow } from './prediction-record.ts';

/** An answered prediction whose process ended before the score beside it was written. */
export type Unscored = Extract<LogEntry, { readonly prediction: unknown }>;

/** Keeps the predictions that still await a score after all entries, in their order, were noted. */
export function noteUnscored(unscored: Map<string, Unscored>, entry: LogEntry | undefined): void {
  if (!entry) return;
  if ('shadowOf' in entry) unscored.delete(entry.shadowOf);
  else if (entry.awaits !== undefined) unscored.set(entry.prediction.id, entry);
}

/**
 * The prediction as it was on its way, for the score beside its answer. `undefined` when the endpoint no longer has the
 * two arms, or the row of the one that is to be scored is not known.
 */
export function resumed(
  { prediction, awaits, beside }: Unscored,
  endpoint: LiveEndpoint | undefined,
  startedMs: number,
): Prediction | undefined {
  const { id, at, receivedAt, entities, arm, score, revision } = prediction;
  const candidate = endpoint?.candidate;
  // What was given may be kept as a digest only.
  if (prediction.tensors) return undefined;
  if (!endpoint || !candidate || endpoint.routed.rollout !== prediction.rollout) return undefined;
  const own = rowOf(prediction);
  const other = beside ? rowOf(beside) : own;
  if (!candidate.sameInputs && !beside) return undefined;
  const resumed: Prediction = {
    ...{ endpoint, candidate, id, at, receivedAt, startedMs, entities, score },
    arm: arm === 'candidate' ? 'candidate' : 'current',
    row: arm === 'current' ? own : other,
    candidateRow: candidate.sameInputs ? undefined : arm === 'current' ? other : own,
    // It was counted, or lost to the count, with the process that answered it.
    named: true,
    chosenBy: undefined,
    propensity: 1,
    reply: replyTo({ waiting: 0, finish: () => {} }),
    error: undefined,
    fallback: undefined,
    standIn: undefined,
    cached: false,
    nodes: undefined,
    work: undefined,
  };
  const same = answeringArm(resumed).arm.revision === revision && shadowArm(resumed)?.arm.revision === awaits;
  return same ? resumed : undefined;
}

function rowOf({ numeric, categories }: RecordedRow): Row {
  return { numeric: numeric.map((value) => value ?? Number.NaN), categories };
}
