import { useQuery } from '@tanstack/react-query';
import type { StepView, UnitView } from '#pipelines/contract';
import { formatCount, formatDurationShort } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { Choice } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { StepLog } from './log/step-log.tsx';

const UNITS_LISTED_MAX = 1_000;
const STATUSES = ['failed', 'running', 'queued', 'succeeded', 'cached', 'cancelled'] as const;

interface UnitsProps {
  readonly run: string;
  readonly step: StepView;
}

/**
 * The units of a step that was divided. The address has their state (`units`), the one behind which the list goes on
 * (`behind`), and the one whose log is shown (`unit`).
 */
export function Units({ run, step }: UnitsProps) {
  const url = useUrl();
  const status = STATUSES.find((each) => each === url.get('units'));
  const after = url.number('behind') ?? -1;
  const query = { status, after, limit: UNITS_LISTED_MAX };
  const units = useQuery(read('pipelines', 'listUnits', { params: { run, step: step.step }, query }));
  const counts: Readonly<Record<string, number>> = step.units ?? {};
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const chosen = units.data?.items.find(({ unit }) => unit === url.get('unit'));
  return (
    <>
      <Section title="Units" note={`${formatCount(all)}, each a step by itself, or a run`}>
        <div className="toolbar">
          <Choice
            label="State of the units"
            options={[
              ['', 'All'],
              ...STATUSES.map((each) => [each, `${each} ${formatCount(counts[each] ?? 0)}`] as const),
            ]}
            value={status ?? ''}
            onChange={(value) => url.set({ units: value, behind: undefined, unit: undefined })}
          />
        </div>
        <Load query={units}>
          {({ items, next }) => (
            <>
              {next !== undefined || after >= 0 ? (
                <Partial>
                  {`${formatCount(UNITS_LISTED_MAX)} are listed at a time. `}
                  {next === undefined ? null : <Go to={url.href({ behind: next, unit: undefined })}>The next</Go>}
                  {next !== undefined && after >= 0 ? ' · ' : null}
                  {after >= 0 ? <Go to={url.href({ behind: undefined, unit: undefined })}>The first</Go> : null}
                </Partial>
              ) : null}
              <DataTable
                label="units"
                name="unit-"
                rows={items}
                columns={columns}
                idOf={(row) => row.unit}
                to={(row) => url.href({ unit: row.unit, log: undefined, line: undefined })}
                empty={<Empty what={status ? `No unit is ${status}.` : 'It has no units yet.'} />}
              />
            </>
          )}
        </Load>
      </Section>
      {chosen && chosen.child === undefined ? (
        <StepLog key={chosen.unit} run={run} step={stepOf(chosen, step)} />
      ) : null}
    </>
  );
}

/** A unit as the step whose log it has. */
function stepOf({ unit, status, startedAt, finishedAt, reason }: UnitView, step: StepView): StepView {
  return { ...step, step: unit, status, startedAt, finishedAt, reason, units: null };
}

const columns: readonly Column<UnitView>[] = [
  { id: 'unit', header: 'Unit', value: (row) => row.unit },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  { id: 'item', header: 'Item', value: (row) => JSON.stringify(row.item), isWide: true },
  { id: 'attempts', header: 'Attempts', value: (row) => row.epoch, isNumeric: true },
  { id: 'started', header: 'Started', value: (row) => row.startedAt, cell: (row) => <Age at={row.startedAt} /> },
  {
    id: 'took',
    header: 'Took',
    value: tookOf,
    cell: (row) => {
      const took = tookOf(row);
      return took === null ? '–' : formatDurationShort(took);
    },
    isNumeric: true,
  },
  {
    id: 'run',
    header: 'Run',
    value: (row) => row.child ?? null,
    cell: (row) => (row.child === undefined ? null : <Go to={places.run(row.child)}>{row.child.slice(0, 16)}…</Go>),
  },
  {
    id: 'from',
    header: 'From the cache of',
    value: (row) => row.cachedFrom,
    cell: (row) => (row.cachedFrom ? <Go to={places.run(row.cachedFrom)}>{row.cachedFrom.slice(0, 16)}…</Go> : null),
  },
  { id: 'reason', header: 'Reason', value: (row) => row.reason },
];

function tookOf({ startedAt, finishedAt }: UnitView): number | null {
  return startedAt === null || finishedAt === null ? null : finishedAt - startedAt;
}
