import type { TrafficView } from '#serving/contract';
import { formatNumber, formatTime } from '../data/format.ts';

type Block = TrafficView['blocks'][number];

const ARMS = ['current', 'candidate'] as const;
const CELLS_MAX = 120;

/** The typical latency of both arms, block by block: the stronger, the slower, on one scale for both. */
export function LatencyHeat({ blocks }: { readonly blocks: readonly Block[] }) {
  const shown = blocks.slice(-CELLS_MAX);
  const all = shown.flatMap((block) => ARMS.flatMap((arm) => block[arm].typicalMs ?? []));
  if (all.length === 0) return null;
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const scale = `${formatNumber(low, 3)} to ${formatNumber(high, 3)} ms`;
  return (
    <figure className="chart" aria-label={`Latency by block, ${scale}`}>
      <figcaption className="chart-head">
        <strong>Latency</strong>
        <span className="chart-key">typical of a block, {scale}</span>
        <span className="chart-axis">the stronger, the slower</span>
      </figcaption>
      <div className="latency-heat">
        {ARMS.map((arm) => (
          <div key={arm} className="latency-heat-row">
            <span>{arm}</span>
            <div>
              {shown.map((block) => (
                <Cell key={`${block.source}-${block.start}`} block={block} arm={arm} range={[low, high]} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </figure>
  );
}

interface CellProps {
  readonly block: Block;
  readonly arm: (typeof ARMS)[number];
  readonly range: readonly [number, number];
}

function Cell({ block, arm, range: [low, high] }: CellProps) {
  const { typicalMs, answered } = block[arm];
  const strength = typicalMs === null ? 0 : 0.12 + (0.88 * (typicalMs - low)) / Math.max(1e-9, high - low);
  const what = typicalMs === null ? 'answered nobody' : `${formatNumber(typicalMs, 3)} ms, ${answered} answers`;
  return (
    <i
      title={`${formatTime(block.end)}: ${what}`}
      style={{ background: `rgba(var(--heat), ${strength.toFixed(2)})` }}
    />
  );
}
