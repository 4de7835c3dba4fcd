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
import { RunLink } from './run-text.tsx';
import { itemText } from './run-words.ts';

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
  const areRuns = units.data?.items.some(({ child }) => child !== undefined) ?? false;
  const chosen = units.data?.items.find(({ unit }) => unit === url.get('unit'));
  return (
    <>
      <Section title="Units" note={`${formatCount(all)}, each ${areRuns ? 'a run of its own' : 'a step by itself'}`}>
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
                rows={failedFirst(items)}
                columns={columnsOf(items)}
                idOf={(row) => row.unit}
                to={(row) =>
                  row.child === undefined
                    ? url.href({ unit: row.unit, log: undefined, line: undefined })
                    : places.run(row.child)
                }
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

/** What failed is what somebody comes for; the rest, and they among themselves, stay in their order. */
function failedFirst(items: readonly UnitView[]): readonly UnitView[] {
  return items.toSorted((a, b) => Number(b.status === 'failed') - Number(a.status === 'failed'));
}

/** Units that are runs have no attempts, and a row leads to its run. What no unit has takes no room. */
function columnsOf(items: readonly UnitView[]): readonly Column<UnitView>[] {
  const areRuns = items.some(({ child }) => child !== undefined);
  const areCached = items.some(({ cachedFrom }) => cachedFrom !== null);
  return columns.filter(({ id }) => {
    if (id === 'attempts') return !areRuns;
    if (id === 'run') return areRuns;
    return id !== 'from' || areCached;
  });
}

const columns: readonly Column<UnitView>[] = [
  { id: 'unit', header: 'Unit', value: (row) => row.unit },
  {
    id: 'run',
    header: 'Run',
    value: (row) => row.child ?? null,
    cell: ({ child }) => child && <RunLink run={child} />,
  },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  { id: 'item', header: 'Item', value: (row) => itemText(row.item) },
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
    id: 'from',
    header: 'From the cache of',
    value: (row) => row.cachedFrom,
    cell: ({ cachedFrom }) => cachedFrom && <RunLink run={cachedFrom} />,
  },
  { id: 'reason', header: 'Reason', value: reasonOf, isWide: true },
];

/** Without the run that failed, which stands beside it. */
function reasonOf({ reason, child }: UnitView): string | null {
  return reason?.replace(`run ${child} failed: `, '') ?? null;
}

function tookOf({ startedAt, finishedAt }: UnitView): number | null {
  return startedAt === null || finishedAt === null ? null : finishedAt - startedAt;
}
