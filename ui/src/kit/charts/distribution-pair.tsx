import { formatCount, formatPercent } from '../../data/format.ts';

interface DistributionPairProps {
  /** Names of the bins, as many as there are counts. */
  readonly bins: readonly string[];
  readonly reference: readonly number[];
  readonly current: readonly number[];
  readonly currentLabel: string;
}

/** The shares of the bins in the reference and in a window, side by side, each with its part in the PSI. */
export function DistributionPair({ bins, reference, current, currentLabel }: DistributionPairProps) {
  const before = sharesOf(reference);
  const now = sharesOf(current);
  const largest = Math.max(...before, ...now, 1e-9);
  return (
    <table className="pair">
      <caption className="visually-hidden">Share of rows by bin, reference against {currentLabel}</caption>
      <thead>
        <tr>
          <th scope="col">Bin</th>
          <th scope="col" className="num">
            Reference
          </th>
          <th scope="col" aria-label="Bars">
            <span className="chart-key">
              <span className="chart-swatch chart-swatch-bar" style={{ color: 'var(--series-3)' }} /> reference
            </span>{' '}
            <span className="chart-key">
              <span className="chart-swatch chart-swatch-bar" style={{ color: 'var(--series-2)' }} /> {currentLabel}
            </span>
          </th>
          <th scope="col" className="num">
            Window
          </th>
          <th scope="col" className="num" title="(window − reference) · ln(window / reference), what the bin adds">
            PSI part
          </th>
        </tr>
      </thead>
      <tbody>
        {bins.map((bin, index) => (
          <tr key={bin}>
            <th scope="row">{bin}</th>
            <td className="num" title={`${formatCount(reference[index] ?? 0)} rows`}>
              {formatPercent(before[index])}
            </td>
            <td className="pair-bars">
              <span style={{ width: `${(100 * (before[index] ?? 0)) / largest}%` }} data-of="reference" />
              <span style={{ width: `${(100 * (now[index] ?? 0)) / largest}%` }} data-of="current" />
            </td>
            <td className="num" title={`${formatCount(current[index] ?? 0)} rows`}>
              {formatPercent(now[index])}
            </td>
            <td className="num">{psiPart(before[index] ?? 0, now[index] ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function sharesOf(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (total > 0 ? count / total : 0));
}

/** A bin that is empty on one side has no finite part of its own; the platform smooths it, so none is claimed here. */
function psiPart(before: number, now: number): string {
  if (before === 0 && now === 0) return '0.000';
  if (before === 0 || now === 0) return '–';
  return ((now - before) * Math.log(now / before)).toFixed(3);
}
