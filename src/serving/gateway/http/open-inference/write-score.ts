import type { LiveArm } from '../../live-endpoint.ts';
import type { Prediction } from '../../prediction.ts';
import { writeInfer } from './write-infer.ts';

/** What answers of one score of an arm have in common: what comes before the id, between it and the score, and after. */
interface Frame {
  readonly model: string;
  readonly parts: readonly [before: string, between: string, after: string];
}

const ID = '"id":"@"';
const SCORE = '"data":[0]';

const frames = new WeakMap<LiveArm, Frame>();

/**
 * The answer to an infer request for one row of an endpoint's only arm, as `writeInfer` writes it; undefined where there
 * is more to be said of it than its score.
 */
export function writeScore(predictions: readonly Prediction[], model: string): string | undefined {
  const [prediction] = predictions;
  if (!prediction || predictions.length > 1) return undefined;
  const { endpoint, id, score, error, standIn, fallback, cached } = prediction;
  if (error || standIn || fallback || cached || !Number.isFinite(score)) return undefined;
  const [before, between, after] = frameOf(endpoint.current, model);
  return `${before}${JSON.stringify(id)}${between}${Math.fround(score)}${after}`;
}

function frameOf(live: LiveArm, model: string): Frame['parts'] {
  const known = frames.get(live);
  if (known?.model === model) return known.parts;
  const { version, revision, signature } = live.arm;
  const score = { name: signature.output, datatype: 'FP32', shape: [1, 1], values: new Float32Array(1) } as const;
  const result = { model, version: String(version), id: '@', parameters: { revision }, outputs: [score] };
  const { json } = writeInfer(result, { all: false, byName: new Map() });
  // Quotes within a name are escaped, so that neither of these is part of one.
  const [idAt, scoreAt] = [json.indexOf(ID), json.indexOf(SCORE)];
  const parts = [
    json.slice(0, idAt + ID.length - '"@"'.length),
    json.slice(idAt + ID.length, scoreAt + SCORE.length - '0]'.length),
    json.slice(scoreAt + SCORE.length - ']'.length),
  ] as const;
  frames.set(live, { model, parts });
  return parts;
}
