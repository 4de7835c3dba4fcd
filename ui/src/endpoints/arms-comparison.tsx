import type { ArmView, RolloutView } from '#serving/contract';
import { formatNumber, formatPercent } from '../data/format.ts';
import { Go } from '../kit/link.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { ArmIntervals } from './arm-intervals.tsx';

interface ArmsComparisonProps {
  readonly rollout: RolloutView;
  /** The current revision first. */
  readonly arms: readonly ArmView[];
}

/** Several candidates side by side: what each answers, how it does, and its metric against the current revision. */
export function ArmsComparison({ rollout, arms }: ArmsComparisonProps) {
  return (
    <>
      <DataTable label="arms" name="arm-" rows={arms} idOf={({ name }) => name} columns={columnsOf(rollout)} />
      <ArmIntervals arms={arms} />
    </>
  );
}

const metricOf = ({ findings }: ArmView) => findings.find(({ measure }) => measure === 'metric');

/** What stands out of an arm: why it is out, else harm, else what its metric shows. */
function statusOf(arm: ArmView): string | null {
  if (arm.out) return arm.out.kind === 'worse' ? 'hurt' : arm.out.kind;
  if (arm.findings.some(({ verdict }) => verdict === 'worse')) return 'worse';
  return metricOf(arm)?.verdict ?? null;
}

function columnsOf({ model }: RolloutView): readonly Column<ArmView>[] {
  return [
    { id: 'arm', header: 'Arm', value: (row) => row.name },
    {
      id: 'version',
      header: 'Version',
      value: (row) => row.version,
      cell: (row) =>
        row.version === null ? '–' : <Go to={places.version(model, row.version)}>{`${model}@${row.version}`}</Go>,
    },
    { id: 'share', header: 'Share, %', value: (row) => Number(row.weight.toFixed(2)), isNumeric: true },
    { id: 'requests', header: 'Requests', value: (row) => row.scored, isNumeric: true },
    {
      id: 'errors',
      header: 'Errors',
      value: (row) => (row.scored === 0 ? null : row.failures / row.scored),
      cell: (row) => (row.scored === 0 ? '–' : formatPercent(row.failures / row.scored, 2)),
    },
    {
      id: 'latency',
      header: 'Latency, ms',
      value: (row) => row.typicalMs,
      cell: (row) => formatNumber(row.typicalMs, 3),
      isNumeric: true,
    },
    {
      id: 'mean',
      header: 'Metric',
      value: (row) => row.mean,
      cell: (row) => formatNumber(row.mean, 3),
      isNumeric: true,
    },
    {
      id: 'interval',
      header: 'Metric against current',
      value: (row) => metricOf(row)?.estimate ?? null,
      cell: (row) => intervalText(row),
    },
    {
      id: 'shows',
      header: 'Shows',
      value: (row) => statusOf(row),
      cell: (row) => {
        const status = statusOf(row);
        return status ? <StatusChip status={status} /> : '–';
      },
    },
  ];
}

function intervalText(arm: ArmView): string {
  const metric = metricOf(arm);
  if (!metric || metric.low === null || metric.high === null) return '–';
  return `${formatNumber(metric.estimate, 3)} [${formatNumber(metric.low, 3)}, ${formatNumber(metric.high, 3)}]`;
}
