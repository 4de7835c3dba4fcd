import type { DemoPlatform } from './platform.ts';
import type { Player } from './player.ts';

/** Plays on until no comparison is under way, so that one act does not run into the next. */
export async function untilIdle(player: Player, platform: DemoPlatform, to: number): Promise<void> {
  const idle = async (): Promise<boolean> => {
    const { rollout } = await platform.kedge.serving.getEndpoint({ params: { endpoint: 'late-arrivals' } });
    return rollout === null;
  };
  if (!(await idle())) await player.play(to, idle);
}
