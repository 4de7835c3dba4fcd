import { servingErrors } from '../../errors.ts';
import type { Rollout } from '../../store.ts';
import type { Outcomes } from '../observation.ts';
import { armsIn } from './arms-state.ts';

/** Whether the arm that a gateway names is one in traffic: all reports of one candidate name none. */
export function isInTraffic({ state }: Rollout, arm: string | undefined): boolean {
  const { arms } = state.live ?? {};
  return arms ? armsIn(arms).some(({ name }) => name === arm) : arm === undefined;
}

/** Throws `serving/unknown-arm` where a command has to name one of several candidates, or names one that is not. */
export function refuseUnknownArm(rollout: Rollout, arm: string | undefined): void {
  if (isInTraffic(rollout, arm)) return;
  const { arms } = rollout.state.live ?? {};
  if (!arms) throw servingErrors['unknown-arm'](`rollout ${rollout.id} has one candidate: name no arm`);
  const names = armsIn(arms).map(({ name }) => `'${name}'`);
  const given = arm === undefined ? 'no arm is named' : `'${arm}' is no arm in traffic`;
  throw servingErrors['unknown-arm'](`${given}: name ${names.join(' or ')}`);
}

/** Throws `serving/unknown-arm` for outcomes of other arms than the rollout has. Those that are out are passed over. */
export function refuseOtherArms({ id, state }: Rollout, { arms, candidate }: Outcomes): void {
  const known = state.live?.arms?.arms.map(({ name }) => name);
  if (known && candidate)
    throw servingErrors['unknown-arm'](`rollout ${id} has several candidates: report arms by name`);
  for (const name of Object.keys(arms ?? {})) {
    if (known?.includes(name)) continue;
    const expected = known ? known.map((one) => `'${one}'`).join(', ') : "the 'candidate'";
    throw servingErrors['unknown-arm'](`rollout ${id} has no arm '${name}', but ${expected}`);
  }
}
