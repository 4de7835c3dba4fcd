import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { DriftCell } from '#monitoring/contract';
import { formatCount, formatDay, formatFixed } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { DistributionPair } from '../kit/charts/distribution-pair.tsx';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Failure, Load, Loading } from '../kit/states.tsx';
import { DriftMatrix } from './drift-matrix.tsx';
import { byBeyond, type FeatureDrift, reachOf, worstCell } from './drift-order.ts';
import type { Monitored } from './monitoring-page.tsx';
import { rangeOf } from './range-picker.tsx';

export function Drift({ of }: { readonly of: Monitored }) {
  const { from, to } = rangeOf(useUrl());
  const drift = useQuery({
    ...read('monitoring', 'getDrift', { params: { endpoint: of.endpoint }, query: { monitor: of.monitor, from, to } }),
    enabled: of.spec.drift !== undefined,
    placeholderData: (before) => before,
  });
  if (of.spec.drift === undefined) return <Empty what={`${of.monitor} does not measure drift: it declares none.`} />;
  return (
    <Load query={drift} loading={<Loading rows={14} height={18} />}>
      {({ windows, features }) =>
        windows.length === 0 ? (
          <Empty what="No window is evaluated yet: the first one waits for the stream to pass its end." />
        ) : (
          <DriftView of={of} windows={windows} features={features} />
        )
      }
    </Load>
  );
}

/** Quiet features are folded away, but never one that was ever beyond its threshold. */
const SHOWN_MIN = 10;

function isEverBeyond({ cells }: FeatureDrift): boolean {
  return cells.some(isBeyond);
}

interface DriftViewProps {
  readonly of: Monitored;
  readonly windows: readonly number[];
  readonly features: readonly FeatureDrift[];
}

function DriftView({ of, windows, features }: DriftViewProps) {
  const url = useUrl();
  const sorted = useMemo(() => features.toSorted(byBeyond), [features]);
  const chosen = sorted.find(({ feature }) => feature === url.get('feature')) ?? sorted[0];
  const cell = chosen?.cells.find(({ window }) => window === url.number('window')) ?? (chosen && worstCell(chosen));
  const isAll = url.get('features') === 'all' || (chosen !== undefined && sorted.indexOf(chosen) >= SHOWN_MIN);
  const shownCount = Math.max(SHOWN_MIN, sorted.filter(isEverBeyond).length);
  const beyond = features.filter(({ cells }) => isBeyond(cells.at(-1))).length;
  return (
    <>
      <p className="verdict">
        {lastWindowText(beyond, features.length)}{' '}
        <span className="muted">
          Each threshold is calibrated: the PSI that held-out windows of the reference stay below.
        </span>
      </p>
      <Section title="PSI by feature and window" note={`event time, UTC, windows of ${of.spec.window}; worst first`}>
        <DriftMatrix
          windows={windows}
          features={isAll ? sorted : sorted.slice(0, shownCount)}
          chosen={chosen && cell ? { feature: chosen.feature, window: cell.window } : undefined}
          onChoose={({ feature, window }) => url.set({ feature, window })}
        />
        {sorted.length > shownCount ? (
          <button
            type="button"
            className="button button-quiet"
            onClick={() => url.set({ features: isAll ? undefined : 'all' })}
          >
            {isAll ? 'Show the worst only' : `Show all ${sorted.length} features`}
          </button>
        ) : null}
      </Section>
      {chosen && cell ? <FeatureDetail of={of} windows={windows} feature={chosen} cell={cell} /> : null}
    </>
  );
}

function isBeyond(cell: DriftCell | undefined): boolean {
  return cell !== undefined && reachOf(cell) > 1;
}

function lastWindowText(beyond: number, all: number): string {
  if (beyond === 0) return 'In the last window no feature is beyond its threshold.';
  return `In the last window ${beyond} of ${all} features ${beyond === 1 ? 'is' : 'are'} beyond the threshold.`;
}

interface FeatureDetailProps {
  readonly of: Monitored;
  readonly windows: readonly number[];
  readonly feature: FeatureDrift;
  readonly cell: DriftCell;
}

function FeatureDetail({ of, windows, feature, cell }: FeatureDetailProps) {
  const url = useUrl();
  const content = useMemo(() => {
    const byWindow = new Map(feature.cells.map((each) => [each.window, each]));
    return {
      times: windows,
      series: [
        {
          label: 'PSI',
          color: 'accent' as const,
          values: windows.map((window) => byWindow.get(window)?.value ?? null),
          hasPoints: windows.length < 80,
        },
        {
          label: 'calibrated threshold',
          color: 'warn' as const,
          values: windows.map((window) => byWindow.get(window)?.threshold ?? null),
          isDashed: true,
          isStepped: true,
        },
      ],
    };
  }, [feature, windows]);
  return (
    <div className="columns-even">
      <TimeChart
        title={`PSI of ${feature.feature}`}
        axis="event time, UTC"
        height={240}
        format={formatPsi}
        include={zero}
        annotations={[{ at: cell.window, text: formatDay(cell.window) }]}
        onPick={(window) => url.set({ window })}
        onBrush={(from, to) => url.set({ from, to })}
        {...content}
      />
      <Distributions of={of} feature={feature.feature} cell={cell} />
    </div>
  );
}

const formatPsi = (value: number | null) => formatFixed(value, 3);
const zero = [0];

interface DistributionsProps {
  readonly of: Monitored;
  readonly feature: string;
  readonly cell: DriftCell;
}

function Distributions({ of, feature, cell }: DistributionsProps) {
  const histogram = useQuery({
    ...read('monitoring', 'getHistograms', {
      params: { endpoint: of.endpoint, feature },
      query: { monitor: of.monitor, window: cell.window },
    }),
    placeholderData: (before) => before,
  });
  const threshold = cell.threshold === null ? 'no threshold' : `threshold ${formatFixed(cell.threshold, 3)}`;
  const requests = `${formatCount(cell.requests)} requests of ${cell.revision}`;
  return (
    <Section
      title={`${feature}, ${formatDay(cell.window)}`}
      note={`PSI ${formatFixed(cell.value, 3)}, ${threshold}; ${requests}`}
    >
      {histogram.error && !histogram.data ? <Failure error={histogram.error} /> : null}
      {histogram.data ? (
        <DistributionPair
          bins={histogram.data.bins}
          reference={histogram.data.reference}
          current={histogram.data.current}
          currentLabel={formatDay(cell.window)}
        />
      ) : (
        <Loading rows={11} height={22} />
      )}
    </Section>
  );
}
