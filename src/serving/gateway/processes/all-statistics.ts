import type { GatewayParts } from '../gateway-parts.ts';
import type { ModelStatistics } from '../statistics.ts';
import { sumStatistics } from './sum-statistics.ts';

type Counting = Pick<GatewayParts, 'siblings' | 'statistics'>;

/** The statistics of all processes; without siblings those of this one, as they are. */
export async function allStatistics({ siblings, statistics }: Counting): Promise<Iterable<ModelStatistics>> {
  return siblings ? sumStatistics(await siblings.ask({ ask: 'statistics' })) : statistics.all();
}
