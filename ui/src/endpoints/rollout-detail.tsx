import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { BlockPoint, DecisionView, EndpointView, RolloutView } from '#serving/contract';
import { formatCount, formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age, EventTime } from '../kit/age.tsx';
import { SequenceChart } from '../kit/charts/sequence-chart.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { IncidentBundle } from './incident-bundle.tsx';
import { LiveComparison } from './live-comparison.tsx';
import {
  candidatesOf,
  holdOf,
  isActive,
  stageChanges,
  stageSteps,
  statusOfRollout,
  verdictOf,
} from './rollout-words.ts';

interface RolloutDetailProps {
  readonly summary: RolloutView;
  readonly endpoint: EndpointView;
}

/** A rollout: where it stands, the comparison that decides it, and every decision in words. */
export function RolloutDetail({ summary, endpoint }: RolloutDetailProps) {
  const rollout = useQuery(read('serving', 'getRollout', { params: { rollout: summary.id } }));
  const hold = holdOf(summary);
  const title = isActive(summary.stage) ? 'Rollout under way' : 'Ended rollout';
  return (
    <>
      <Section
        title={title}
        note={
          <>
            <Go to={places.version(summary.model, summary.candidate)}>{candidatesOf(summary)}</Go>
            {summary.current === null ? ' as the first' : ` against ${summary.model}@${summary.current}`}
            {summary.forced ? `, forced: ${summary.reason ?? ''}` : ''} · started <Age at={summary.startedAt} /> by{' '}
            {summary.cause.id}
          </>
        }
        aside={<StatusChip {...statusOfRollout(summary)} />}
      >
        <Stages rollout={summary} endpoint={endpoint} />
        {hold === undefined ? null : <p className="verdict">{hold}</p>}
        {summary.live ? <LiveComparison rollout={summary} live={summary.live} /> : null}
        <Load query={rollout} loading={<Loading rows={9} />}>
          {({ blocks }) =>
            summary.live && blocks.length === 0 ? null : (
              <Comparison rollout={summary} blocks={blocks} endpoint={endpoint} />
            )
          }
        </Load>
      </Section>
      <Checks checks={summary.checks ?? []} />
      {summary.stage === 'rolled-back' ? <IncidentBundle rollout={summary.id} /> : null}
      <Decisions decisions={summary.decisions} />
    </>
  );
}

function Stages({ rollout, endpoint }: { readonly rollout: RolloutView; readonly endpoint: EndpointView }) {
  return (
    <ol className="stages" aria-label="Stages">
      {stageSteps(rollout, endpoint.spec).map(({ id, label, note, state }) => (
        <li key={id} className="stage" data-state={state} aria-current={state === 'now' ? 'step' : undefined}>
          {label}
          {state === 'stopped' ? `: ${rollout.stage.replace('-', ' ')}` : ''}
          <small>{note}</small>
        </li>
      ))}
    </ol>
  );
}

interface ComparisonProps {
  readonly rollout: RolloutView;
  readonly blocks: readonly BlockPoint[];
  readonly endpoint: EndpointView;
}

function Comparison({ rollout, blocks, endpoint }: ComparisonProps) {
  const url = useUrl();
  const isTable = url.get('view') === 'table';
  const points = useMemo(
    () => blocks.map(({ start, figures }) => ({ at: start, sum: figures.sum, boundary: figures.boundary })),
    [blocks],
  );
  const annotations = useMemo(() => stageChanges(rollout.decisions, blocks), [rollout.decisions, blocks]);
  if (blocks.length === 0)
    return <p className="verdict">{verdictOf(rollout.evidence, endpoint.spec, rollout.stage)}</p>;
  return (
    <>
      {isTable ? (
        <DataTable
          label="compared hours"
          name="block-"
          rows={blocks}
          columns={blockColumns}
          idOf={idOfBlock}
          order="-start"
        />
      ) : (
        <SequenceChart
          points={points}
          annotations={annotations}
          verdict={verdictOf(blocks.at(-1)?.figures ?? rollout.evidence, endpoint.spec, rollout.stage)}
        />
      )}
      <button
        type="button"
        className="button button-quiet"
        onClick={() => url.set({ view: isTable ? undefined : 'table' })}
      >
        {isTable ? 'Show the chart' : 'Show the hours as a table'}
      </button>
    </>
  );
}

const idOfBlock = (block: BlockPoint) => String(block.start);

const blockColumns: readonly Column<BlockPoint>[] = [
  {
    id: 'start',
    header: 'Hour (event time, UTC)',
    value: (row) => row.start,
    cell: (row) => <EventTime at={row.start} />,
  },
  { id: 'stage', header: 'Stage', value: (row) => row.stage },
  { id: 'requests', header: 'Requests', value: (row) => row.requests, isNumeric: true },
  { id: 'current', header: 'Current loss', value: (row) => row.currentLossSum / row.requests, isNumeric: true },
  { id: 'candidate', header: 'Candidate loss', value: (row) => row.candidateLossSum / row.requests, isNumeric: true },
  { id: 'difference', header: 'Difference sum', value: (row) => row.lossDifferenceSum, isNumeric: true },
  { id: 'sum', header: 'So far', value: (row) => row.figures.sum, isNumeric: true },
  { id: 'boundary', header: '± boundary', value: (row) => row.figures.boundary, isNumeric: true },
];

/** What the version had to show before it answered anybody. */
function Checks({ checks }: { readonly checks: NonNullable<RolloutView['checks']> }) {
  if (checks.length === 0) return null;
  return (
    <Section title="Checks before traffic">
      {checks.map(({ check, passed, sentence, details }) => (
        <div key={`${check} ${sentence}`} className="decision">
          <StatusChip status={passed ? 'passed' : 'not-passed'} detail={check} />
          <div>
            <p>{sentence}</p>
            {details.length > 1 ? <p className="muted">{details.join(' · ')}</p> : null}
          </div>
        </div>
      ))}
    </Section>
  );
}

/** Newest first. Each sentence was written when it was decided; the numbers beside it are those it was decided on. */
export function Decisions({ decisions }: { readonly decisions: readonly DecisionView[] }) {
  return (
    <Section title="Decisions" note="event time, UTC; a person's at wall time">
      {decisions.length === 0 ? <p className="muted">None yet.</p> : null}
      {decisions.toReversed().map((decision) => (
        <div key={`${decision.decidedAt}-${decision.to}-${decision.weight}`} className="decision">
          <div>
            <StatusChip status={decision.to} detail={decision.to === 'canary' ? `${decision.weight} %` : undefined} />
            <div className="muted">
              <EventTime at={decision.at} />
            </div>
          </div>
          <div>
            <p>{decision.sentence}</p>
            <p className="muted">
              from {decision.from}, by {decision.by}
              {decision.figures ? figuresText(decision.figures) : ''}
            </p>
          </div>
        </div>
      ))}
    </Section>
  );
}

function figuresText(figures: NonNullable<DecisionView['figures']>): string {
  const interval =
    figures.low === null || figures.high === null
      ? ''
      : ` [${formatNumber(figures.low, 3)}, ${formatNumber(figures.high, 3)}]`;
  const boundary = figures.boundary === null ? '' : `, boundary ±${formatNumber(figures.boundary, 3)}`;
  return (
    ` · mean ${formatNumber(figures.mean, 3)}${interval}, sum ${formatNumber(figures.sum, 3)}${boundary}` +
    ` · ${figures.blocks} hours, ${formatCount(figures.requests)} requests`
  );
}
