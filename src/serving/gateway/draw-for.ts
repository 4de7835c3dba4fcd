import { bucketHash } from '#core/hash';
import { armDraw } from '../live/arms/draw-arm.ts';
import { BUCKETS, type LiveArms, type LiveCandidate, type LiveEndpoint, type LiveRival } from './live-endpoint.ts';
import type { Instance, Row } from './read-instance.ts';

/** Which arm answers a request, and how that came about. */
export interface DrawnArm {
  readonly arm: 'current' | 'candidate';
  /** The one candidate, whoever answers; of several, the one that was drawn. */
  readonly candidate: LiveRival | undefined;
  readonly propensity: number;
  /** Who named the arm, where it was not drawn. */
  readonly chosenBy: string | undefined;
  /** It was drawn by a declared share, so it belongs to the sample ratio. */
  readonly counts: boolean;
}

interface Drawing {
  readonly instance: Instance;
  /** As the current revision takes it. */
  readonly row: Row;
  /** What decides: the same text has the same arm. */
  readonly drawn: string;
}

/** Gives a request its arm: the one that it names, that a flag gives it, or that is drawn. */
export function drawArm(endpoint: LiveEndpoint, drawing: Drawing): DrawnArm {
  const { candidate, arms } = endpoint;
  if (arms) return ofSeveral(arms, drawing);
  if (!candidate) return { arm: 'current', candidate, propensity: 1, chosenBy: undefined, counts: false };
  const { instance, row, drawn } = drawing;
  const chosen = chosenFor(candidate, instance);
  if (chosen) {
    const arm = chosen.arm === 'candidate' ? 'candidate' : 'current';
    return { arm, candidate, propensity: 1, chosenBy: chosen.by, counts: false };
  }
  const own = candidate.policy?.(row);
  const arm = isDrawn(candidate, drawn, own) ? 'candidate' : 'current';
  const share = own ?? (endpoint.routed.candidate?.weight ?? 0) / 100;
  const propensity = arm === 'candidate' ? share : 1 - share;
  return { arm, candidate, propensity, chosenBy: undefined, counts: own === undefined };
}

function ofSeveral(arms: LiveArms, { instance, row, drawn }: Drawing): DrawnArm {
  const chosen = chosenFor(arms, instance);
  const own = chosen ? undefined : arms.policy?.(row);
  const name = chosen?.arm ?? (own ? armDraw(own)(drawn) : arms.draw(drawn));
  const candidate = arms.rivals.get(name);
  const share = own ? own.find((arm) => arm.name === name)?.weight : arms.shares.get(name);
  return {
    arm: candidate ? 'candidate' : 'current',
    candidate,
    propensity: chosen ? 1 : (share ?? 1),
    chosenBy: chosen?.by,
    counts: !chosen && !own,
  };
}

/** By the declared share, or the one that a contextual bandit has for this request. */
function isDrawn({ buckets }: LiveCandidate, drawn: string, share: number | undefined): boolean {
  const hash = bucketHash(drawn);
  return share === undefined ? hash % BUCKETS < buckets : hash / 2 ** 32 < share;
}

/** The arm that the request names, or a flag for it; undefined where it is drawn. */
function chosenFor(
  { flagged }: Pick<LiveCandidate, 'flagged'>,
  instance: Instance,
): { readonly arm: string; readonly by: string } | undefined {
  if (instance.arm !== undefined) {
    return { arm: instance.arm, by: instance.armKey ? `key:${instance.armKey}` : 'request' };
  }
  const flag = flagged?.(instance);
  return flag && { arm: flag.arm, by: `flag:${flag.name}` };
}
