import { useQuery } from '@tanstack/react-query';
import type { BackfillView, PartitionView as PartitionItem } from '#pipelines/backfills/contract';
import { kedge, read } from '../../data/read.ts';
import { useUrl } from '../../data/use-url.ts';
import { Action } from '../../kit/action.tsx';
import { Age } from '../../kit/age.tsx';
import { Go } from '../../kit/link.tsx';
import { Section } from '../../kit/page.tsx';
import { Empty, Load } from '../../kit/states.tsx';
import { lookOf, StatusChip } from '../../kit/status.tsx';
import { DataTable } from '../../kit/table/data-table.tsx';
import { Choice } from '../../kit/tabs.tsx';
import { places } from '../../places.ts';
import { PartitionRuns, PartitionSteps } from './partition-grid.tsx';

/**
 * The partitions of a pipeline: as a calendar, by the steps of their newest runs or by all their runs (`by`); only
 * those without a run that succeeded (`missing`). Below them the backfills, one of them in full (`backfill`).
 */
export function Partitions({ pipeline }: { readonly pipeline: string }) {
  const url = useUrl();
  const partitions = useQuery(read('backfills', 'listPartitions', { params: { pipeline } }));
  const backfills = useQuery(read('backfills', 'listBackfills', { query: { pipeline, limit: 50 } }));
  const by = VIEWS.find(([each]) => each === url.get('by'))?.[0] ?? 'calendar';
  const isMissing = url.get('missing') === '1';
  const chosen = url.get('backfill');
  return (
    <>
      <Load query={partitions}>
        {({ items }) => {
          const missing = items.filter(({ status }) => status !== 'succeeded');
          const shown = isMissing ? missing : items;
          return (
            <Section
              title="Partitions"
              note={`${items.length - missing.length} of ${items.length} have a run that succeeded`}
              aside={missing.length > 0 ? <BackfillButton pipeline={pipeline} missing={missing.length} /> : null}
            >
              <div className="toolbar">
                <Choice
                  label="View"
                  options={VIEWS}
                  value={by}
                  onChange={(value) => url.set({ by: value === 'calendar' ? undefined : value, page: undefined })}
                />
                <label className="partition-missing">
                  <input
                    type="checkbox"
                    checked={isMissing}
                    onChange={() => url.set({ missing: isMissing ? undefined : 1, page: undefined })}
                  />
                  {`only the ${missing.length} without a run that succeeded`}
                </label>
              </div>
              <PartitionView pipeline={pipeline} by={by} items={shown} isMissing={isMissing} />
            </Section>
          );
        }}
      </Load>
      <Section title="Backfills">
        <Load query={backfills}>{({ items }) => <BackfillTable items={items} />}</Load>
      </Section>
      {chosen ? <BackfillDetail key={chosen} backfill={chosen} /> : null}
    </>
  );
}

const VIEWS = [
  ['calendar', 'Calendar'],
  ['steps', 'By step'],
  ['runs', 'By run'],
] as const;

interface PartitionViewProps {
  readonly pipeline: string;
  readonly by: (typeof VIEWS)[number][0];
  readonly items: readonly PartitionItem[];
  readonly isMissing: boolean;
}

function PartitionView({ pipeline, by, items, isMissing }: PartitionViewProps) {
  if (items.length === 0) {
    return <Empty what={isMissing ? 'Every partition has a run that succeeded.' : 'No partition is over yet.'} />;
  }
  if (by === 'steps') return <PartitionSteps pipeline={pipeline} items={items} />;
  return by === 'runs' ? <PartitionRuns pipeline={pipeline} items={items} /> : <Matrix items={items} />;
}

/** Rows of the calendar: hours by day, days by month, weeks and months by year; names of one's own are one row. */
function Matrix({ items }: { readonly items: readonly PartitionItem[] }) {
  const rows = [...Map.groupBy(items, ({ partition }) => rowOf(partition, items)).entries()];
  return (
    <div className="matrix">
      {rows.map(([row, cells]) => (
        <div key={row} className="matrix-row">
          <span className="matrix-name">{row}</span>
          {cells.map(({ partition, status, run }) => {
            const { tone, icon: Icon } = lookOf(status);
            const label = `${partition}: ${status}`;
            const mark = <Icon size={11} aria-hidden />;
            return (
              <span key={partition} className="matrix-cell" data-tone={tone} title={label}>
                {run ? <Go to={places.run(run)}>{mark}</Go> : mark}
                <span className="visually-hidden">{label}</span>
              </span>
            );
          })}
        </div>
      ))}
    </div>
  );
}

const DAY_LENGTH = '2026-01-31'.length;
const MONTH_LENGTH = '2026-01'.length;
const YEAR_LENGTH = '2026'.length;
const CALENDAR = /^\d{4}-\d\d-\d\d/;
const DENSE_MS = 3 * 86_400_000;

function rowOf(partition: string, items: readonly PartitionItem[]): string {
  if (!CALENDAR.test(partition)) return 'all';
  if (partition.length > DAY_LENGTH) return partition.slice(0, DAY_LENGTH);
  const [first, second] = items;
  const isDaily = first && second && Date.parse(second.partition) - Date.parse(first.partition) < DENSE_MS;
  return partition.slice(0, isDaily ? MONTH_LENGTH : YEAR_LENGTH);
}

function BackfillButton({ pipeline, missing }: { readonly pipeline: string; readonly missing: number }) {
  return (
    <Action
      label="Backfill"
      kind="main"
      title={`Backfill ${pipeline}?`}
      effect={
        <p>
          Starts a run of <strong>{pipeline}</strong> for each of up to {missing} partitions without a run that
          succeeded or goes on, four at a time.
        </p>
      }
      confirm="Start the backfill"
      run={() => kedge.backfills.startBackfill({ body: { pipeline } })}
    />
  );
}

function BackfillTable({ items }: { readonly items: readonly BackfillView[] }) {
  const url = useUrl();
  return (
    <DataTable
      label="backfills"
      name="backfill-"
      isPlain
      rows={items}
      idOf={(row) => row.backfill}
      to={(row) => url.href({ backfill: row.backfill })}
      empty={<Empty what="There was none." />}
      columns={[
        { id: 'created', header: 'Started', value: (row) => row.createdAt, cell: (row) => <Age at={row.createdAt} /> },
        { id: 'by', header: 'By', value: (row) => row.createdBy },
        {
          id: 'status',
          header: 'Status',
          value: (row) => row.status,
          cell: (row) => <StatusChip status={STATUS_LOOKS[row.status]} />,
        },
        { id: 'partitions', header: 'Partitions', value: (row) => row.progress.partitions, isNumeric: true },
        { id: 'succeeded', header: 'Succeeded', value: (row) => row.progress.succeeded, isNumeric: true },
        { id: 'failed', header: 'Failed', value: (row) => row.progress.failed, isNumeric: true },
        { id: 'active', header: 'Active', value: (row) => row.progress.active, isNumeric: true },
        { id: 'waiting', header: 'Waiting', value: (row) => row.progress.waiting, isNumeric: true },
        { id: 'actions', header: '', value: () => null, cell: (row) => <BackfillActions backfill={row} /> },
      ]}
    />
  );
}

/** The partitions of one backfill, each with its run, or why there is none. */
function BackfillDetail({ backfill }: { readonly backfill: string }) {
  const query = useQuery(read('backfills', 'getBackfill', { params: { backfill } }));
  return (
    <Load query={query}>
      {({ createdBy, concurrency, items }) => (
        <Section title={`Backfill ${backfill}`} note={`by ${createdBy}, ${concurrency} runs at a time`}>
          <DataTable
            label="partitions of the backfill"
            name="part-"
            rows={items}
            idOf={(row) => row.partition}
            empty={<Empty what="It has no partitions." />}
            columns={[
              { id: 'partition', header: 'Partition', value: (row) => row.partition },
              {
                id: 'status',
                header: 'Status',
                value: (row) => row.status,
                cell: (row) => <StatusChip status={row.status} />,
              },
              {
                id: 'run',
                header: 'Run',
                value: (row) => row.run,
                cell: (row) => (row.run ? <Go to={places.run(row.run)}>{row.run}</Go> : null),
              },
              { id: 'reason', header: 'Reason', value: (row) => row.reason, isWide: true },
            ]}
          />
        </Section>
      )}
    </Load>
  );
}

const STATUS_LOOKS = { running: 'running', paused: 'held', cancelled: 'cancelled', done: 'completed' } as const;

function BackfillActions({ backfill: { backfill, status } }: { readonly backfill: BackfillView }) {
  if (status !== 'running' && status !== 'paused') return null;
  const params = { backfill };
  return (
    <span className="row-actions">
      {status === 'running' ? (
        <Action
          label="Pause"
          title="Pause this backfill?"
          effect={<p>It starts no further run. Runs that go on are not interrupted.</p>}
          confirm="Pause"
          run={() => kedge.backfills.pauseBackfill({ params })}
        />
      ) : (
        <Action
          label="Resume"
          title="Resume this backfill?"
          effect={<p>It starts runs again.</p>}
          confirm="Resume"
          run={() => kedge.backfills.resumeBackfill({ params })}
        />
      )}
      <Action
        label="Cancel"
        kind="bad"
        title="Cancel this backfill?"
        effect={<p>No further run starts, and its runs that go on are cancelled.</p>}
        confirm="Cancel the backfill"
        run={() => kedge.backfills.cancelBackfill({ params })}
      />
    </span>
  );
}
