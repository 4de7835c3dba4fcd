import type { LiveArm } from '../../live-endpoint.ts';
import type { Prediction } from '../../prediction.ts';
import type { BinaryOutputs } from './read-infer.ts';
import { type InferAnswer, writeInfer } from './write-infer.ts';

/** What answers of one score of an arm have in common: before the id, between it and the score, and behind it. */
interface Frame {
  readonly model: string;
  readonly before: string;
  readonly between: string;
  readonly after: string;
}

const ID = '"id":"@"';
const SCORE = '"data":[0]';
const SCORE_BYTES = 4;

/** By how the score travels. */
const frames = { json: new WeakMap<LiveArm, Frame>(), raw: new WeakMap<LiveArm, Frame>() };

/**
 * The answer to an infer request for one row of an endpoint's only arm, as `writeInfer` writes it; undefined where
 * there is more to be said of it than its score.
 */
export function writeScore(
  predictions: readonly Prediction[],
  model: string,
  binary: BinaryOutputs,
): InferAnswer | undefined {
  const [prediction] = predictions;
  if (!prediction || predictions.length > 1) return undefined;
  const { endpoint, id, score, error, standIn, fallback, cached } = prediction;
  if (error || standIn || fallback || cached || !Number.isFinite(score)) return undefined;
  const isRaw = binary.byName.get(endpoint.current.arm.signature.output) ?? binary.all;
  const { before, between, after } = frameOf(endpoint.current, model, isRaw);
  const head = `${before}${JSON.stringify(id)}${between}`;
  if (!isRaw) return { json: `${head}${Math.fround(score)}${after}`, raws: [] };
  const raw = Buffer.allocUnsafe(SCORE_BYTES);
  raw.writeFloatLE(score);
  return { json: head, raws: [raw] };
}

function frameOf(live: LiveArm, model: string, isRaw: boolean): Frame {
  const known = frames[isRaw ? 'raw' : 'json'];
  const before = known.get(live);
  if (before?.model === model) return before;
  const frame = { model, ...partsOf(live, model, isRaw) };
  known.set(live, frame);
  return frame;
}

function partsOf(live: LiveArm, model: string, isRaw: boolean): Omit<Frame, 'model'> {
  const { version, revision, signature } = live.arm;
  const score = { name: signature.output, datatype: 'FP32', shape: [1, 1], values: new Float32Array(1) } as const;
  const result = { model, version: String(version), id: '@', parameters: { revision }, outputs: [score] };
  const { json } = writeInfer(result, { all: isRaw, byName: new Map() });
  // Quotes within a name are escaped, so that neither of these is part of one.
  const behindId = json.indexOf(ID) + ID.length;
  const before = json.slice(0, behindId - '"@"'.length);
  if (isRaw) return { before, between: json.slice(behindId), after: '' };
  const behindScore = json.indexOf(SCORE) + SCORE.length - ']'.length;
  return { before, between: json.slice(behindId, behindScore - '0'.length), after: json.slice(behindScore) };
}
