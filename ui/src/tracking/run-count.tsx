import { useQuery } from '@tanstack/react-query';
import { formatCount } from '../data/format.ts';
import { read } from '../data/read.ts';

/** How many runs an experiment has, asked for when it comes into view. */
export function RunCount({ experiment }: { readonly experiment: string }) {
  const count = useQuery(read('tracking', 'countRuns', { params: { experiment }, query: {} }));
  return count.data ? formatCount(count.data.runs) : <span className="muted">–</span>;
}
