import type { ArmView } from '#serving/contract';
import { formatNumber } from '../data/format.ts';

const [WIDTH, ROW, LEFT, PAD] = [720, 26, 120, 24];
/** A label takes so much room: nearer to that of zero it is left out. */
const LABEL = 70;

/** The metric of every arm against the current revision: each estimate in its confidence sequence, on one scale. */
export function ArmIntervals({ arms }: { readonly arms: readonly ArmView[] }) {
  const rows = arms.flatMap(({ name, out, findings }) => {
    const metric = findings.find(({ measure }) => measure === 'metric');
    const { estimate, low, high } = metric ?? { estimate: null, low: null, high: null };
    return metric && estimate !== null && low !== null && high !== null
      ? [{ name, isOut: out !== null, estimate, low, high, margin: metric.margin }]
      : [];
  });
  if (rows.length === 0) return null;
  const margin = rows[0]?.margin ?? 0;
  const low = Math.min(0, ...rows.map((row) => row.low));
  const high = Math.max(0, margin, ...rows.map((row) => row.high));
  const span = high - low || 1;
  const x = (value: number): number => LEFT + ((value - low) / span) * (WIDTH - LEFT - PAD);
  const height = rows.length * ROW + 30;
  return (
    <figure className="chart arm-figure" aria-label="Metric of each arm against the current revision">
      <figcaption className="chart-head">
        <strong>Metric against the current revision</strong>
        <span className="chart-key">estimate in its confidence sequence; all of them hold together, at every look</span>
      </figcaption>
      <svg className="arm-intervals" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label="Confidence sequences">
        <line className="arm-zero" x1={x(0)} x2={x(0)} y1={0} y2={height - 22} />
        {margin > 0 ? <line className="arm-margin" x1={x(margin)} x2={x(margin)} y1={0} y2={height - 22} /> : null}
        {rows.map((row, i) => (
          <g key={row.name} transform={`translate(0 ${i * ROW + ROW / 2})`} data-out={row.isOut || undefined}>
            <text x={0} y={4}>
              {row.name}
            </text>
            <line className="arm-interval" x1={x(row.low)} x2={x(row.high)} y1={0} y2={0} />
            <circle cx={x(row.estimate)} cy={0} r={4} />
          </g>
        ))}
        {x(0) - x(low) > LABEL ? (
          <text x={x(low)} y={height - 4}>
            {formatNumber(low, 3)}
          </text>
        ) : null}
        <text x={x(0)} y={height - 4} textAnchor="middle">
          0
        </text>
        {x(high) - x(0) > LABEL ? (
          <text x={x(high)} y={height - 4} textAnchor="end">
            {formatNumber(high, 3)}
          </text>
        ) : null}
      </svg>
    </figure>
  );
}
