import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { RolloutView, TrafficView } from '#serving/contract';
import { formatCount, formatNumber, formatPercent } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { ArmsComparison } from './arms-comparison.tsx';
import { LatencyHeat } from './latency-heat.tsx';
import { isActive } from './rollout-words.ts';

type Live = NonNullable<RolloutView['live']>;
type Finding = Live['findings'][number];

type Point = TrafficView['points'][number];

const LOOK_AGAIN_MS = 10_000;

/** What a rollout on live traffic is decided by: each measure with its interval against its limit. */
export function LiveComparison({ rollout, live }: { readonly rollout: RolloutView; readonly live: Live }) {
  const traffic = useQuery({
    ...read('serving', 'getRolloutTraffic', { params: { rollout: rollout.id } }),
    refetchInterval: isActive(rollout.stage) ? LOOK_AGAIN_MS : false,
  });
  const arms = live.arms;
  return (
    <>
      {arms ? <ArmsComparison rollout={rollout} arms={arms} /> : null}
      {arms ? null : (
        <DataTable label="measures" name="measure-" rows={live.findings} idOf={idOfFinding} columns={findingColumns} />
      )}
      {live.contextual ? <Contextual contextual={live.contextual} /> : null}
      <Load query={traffic} loading={<Loading rows={9} />}>
        {(view) =>
          view.blocks.length === 0 ? <NoTraffic /> : <Traffic view={view} arms={arms?.map(({ name }) => name)} />
        }
      </Load>
    </>
  );
}

function NoTraffic() {
  return <p className="verdict">No gateway has reported a block of traffic yet.</p>;
}

const idOfFinding = ({ measure }: Finding) => measure;

const findingColumns: readonly Column<Finding>[] = [
  { id: 'measure', header: 'Measure', value: (row) => row.measure },
  {
    id: 'verdict',
    header: 'Shows',
    value: (row) => row.verdict,
    cell: (row) => <StatusChip status={row.verdict} />,
  },
  { id: 'estimate', header: 'Estimate', value: (row) => row.estimate, cell: (row) => shown(row, row.estimate) },
  {
    id: 'interval',
    header: 'Confidence sequence',
    value: (row) => row.high,
    cell: (row) => `${shown(row, row.low)} to ${shown(row, row.high)}`,
  },
  { id: 'margin', header: 'Limit', value: (row) => row.margin, cell: (row) => shown(row, row.margin) },
  { id: 'requests', header: 'Requests', value: (row) => row.requests, isNumeric: true },
  { id: 'blocks', header: 'Blocks', value: (row) => (row.blocks === 0 ? null : row.blocks), isNumeric: true },
  { id: 'merged', header: 'Merged', value: (row) => row.merged, isNumeric: true },
];

function shown({ measure }: Pick<Finding, 'measure'>, value: number | null): string {
  if (value === null) return '–';
  return measure === 'metric' ? formatNumber(value, 3) : formatPercent(value, 2);
}

interface TrafficProps {
  readonly view: TrafficView;
  /** Of several candidates, the current revision first. */
  readonly arms: readonly string[] | undefined;
}

function Traffic({ view, arms }: TrafficProps) {
  const url = useUrl();
  const rivals = arms?.filter((name) => name !== 'current') ?? [];
  const arm = rivals.find((name) => name === url.get('arm')) ?? rivals[0];
  const of = (point: Point): readonly Finding[] => (arm === undefined ? point.findings : (point.arms?.[arm] ?? []));
  const measures = [...new Set(view.points.flatMap((point) => of(point).map(({ measure }) => measure)))];
  const chosen = measures.find((measure) => measure === url.get('measure')) ?? measures[0];
  return (
    <>
      <div className="toolbar measures">
        {measures.map((measure) => (
          <button
            key={measure}
            type="button"
            className="button button-quiet"
            aria-pressed={measure === chosen}
            onClick={() => url.set({ measure })}
          >
            {measure}
          </button>
        ))}
      </div>
      {rivals.length > 1 ? (
        <div className="toolbar measures">
          {rivals.map((name) => (
            <button
              key={name}
              type="button"
              className="button button-quiet"
              aria-pressed={name === arm}
              onClick={() => url.set({ arm: name })}
            >
              {name}
            </button>
          ))}
        </div>
      ) : null}
      {chosen ? <Sequence measure={chosen} view={view} arm={arm} /> : null}
      <Split view={view} />
      <LatencyHeat blocks={view.blocks} {...(arms ? { arms } : {})} />
    </>
  );
}

/** The confidence sequence as it closes on the truth, against the limit that it has to stay under. */
interface SequenceProps {
  readonly measure: Finding['measure'];
  readonly view: TrafficView;
  readonly arm: string | undefined;
}

function Sequence({ measure, view, arm }: SequenceProps) {
  const content = useMemo(() => {
    const of = view.points.map(({ findings, arms }) =>
      (arm === undefined ? findings : (arms?.[arm] ?? [])).find((one) => one.measure === measure),
    );
    return {
      times: view.points.map(({ at }) => at),
      series: [
        {
          label: `${arm ?? 'candidate'} minus current`,
          color: 'accent' as const,
          values: of.map((one) => one?.estimate ?? null),
        },
        {
          label: 'limit',
          color: 'series-2' as const,
          values: of.map((one) => one?.margin ?? null),
          isDashed: true,
        },
      ],
      band: {
        high: of.map((one) => one?.high ?? null),
        low: of.map((one) => one?.low ?? null),
        label: 'confidence sequence',
      },
    };
  }, [view, measure, arm]);
  const since = view.complete ? '' : ', from the oldest block that is kept on';
  return (
    <TimeChart
      title={arm === undefined ? measure : `${measure} of ${arm}`}
      axis={`time of the traffic, UTC${since}`}
      format={(value) => shown({ measure }, value)}
      include={zero}
      height={220}
      {...content}
    />
  );
}

const zero = [0];

/** Who answered which share, block by block. */
function Split({ view }: { readonly view: TrafficView }) {
  const content = useMemo(
    () => ({
      times: view.blocks.map(({ end }) => end),
      series: [
        {
          label: view.blocks[0]?.arms ? 'answered by candidates' : 'answered by the candidate',
          color: 'accent' as const,
          values: view.blocks.map(({ current, candidate }) => {
            const all = current.answered + candidate.answered;
            return all === 0 ? null : candidate.answered / all;
          }),
        },
        {
          label: 'share declared',
          color: 'series-3' as const,
          values: view.blocks.map(({ weight }) => weight / 100),
          isDashed: true,
        },
      ],
    }),
    [view],
  );
  return (
    <TimeChart
      title="Traffic"
      axis="time of the traffic, UTC"
      format={(value) => (value === null ? '–' : formatPercent(value, 1))}
      include={zero}
      height={140}
      {...content}
    />
  );
}

function Contextual({ contextual }: { readonly contextual: NonNullable<Live['contextual']> }) {
  const rows = contextual.values;
  const cell = (one: (typeof rows)[number]['ips'] | null) =>
    one?.value === undefined || one.value === null
      ? '–'
      : `${formatNumber(one.value, 3)} [${formatNumber(one.low, 3)}, ${formatNumber(one.high, 3)}]`;
  return (
    <Section title="What it earns" note={`mean reward, learnt from ${formatCount(contextual.rows)} requests`}>
      <DataTable
        label="policies"
        name="policy-"
        rows={rows}
        idOf={({ policy }) => policy}
        columns={[
          { id: 'policy', header: 'Who answers', value: (row) => row.policy },
          { id: 'ips', header: 'Inverse propensities', value: (row) => row.ips.value, cell: (row) => cell(row.ips) },
          { id: 'dr', header: 'Doubly robust', value: (row) => row.dr?.value ?? null, cell: (row) => cell(row.dr) },
        ]}
      />
    </Section>
  );
}
