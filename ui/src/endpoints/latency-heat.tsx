import type { TrafficView } from '#serving/contract';
import { formatNumber, formatTime } from '../data/format.ts';

type Block = TrafficView['blocks'][number];

const ARMS: readonly string[] = ['current', 'candidate'];
const CELLS_MAX = 120;

interface LatencyHeatProps {
  readonly blocks: readonly Block[];
  readonly arms?: readonly string[];
}

const seenOf = (block: Block, arm: string) =>
  arm === 'current' ? block.current : arm === 'candidate' ? block.candidate : block.arms?.[arm];

/** The typical latency of all arms, block by block: the stronger, the slower, on one scale for all. */
export function LatencyHeat({ blocks, arms = ARMS }: LatencyHeatProps) {
  const shown = blocks.slice(-CELLS_MAX);
  const all = shown.flatMap((block) => arms.flatMap((arm) => seenOf(block, arm)?.typicalMs ?? []));
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
        {arms.map((arm) => (
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
  readonly arm: string;
  readonly range: readonly [number, number];
}

function Cell({ block, arm, range: [low, high] }: CellProps) {
  const { typicalMs, answered } = seenOf(block, arm) ?? { typicalMs: null, answered: 0 };
  const strength = typicalMs === null ? 0 : 0.12 + (0.88 * (typicalMs - low)) / Math.max(1e-9, high - low);
  const what = typicalMs === null ? 'answered nobody' : `${formatNumber(typicalMs, 3)} ms, ${answered} answers`;
  return (
    <i
      title={`${formatTime(block.end)}: ${what}`}
      style={{ background: `rgba(var(--heat), ${strength.toFixed(2)})` }}
    />
  );
}
