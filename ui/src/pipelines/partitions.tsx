import { useQuery } from '@tanstack/react-query';
import type { BackfillView, PartitionView } from '#pipelines/backfills/contract';
import { kedge, read } from '../data/read.ts';
import { Action } from '../kit/action.tsx';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { lookOf, StatusChip } from '../kit/status.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

/** The partitions of a pipeline as a matrix, and the backfills over them. */
export function Partitions({ pipeline }: { readonly pipeline: string }) {
  const partitions = useQuery(read('backfills', 'listPartitions', { params: { pipeline } }));
  const backfills = useQuery(read('backfills', 'listBackfills', { query: { pipeline, limit: 50 } }));
  return (
    <>
      <Load query={partitions}>
        {({ items }) => {
          const missing = items.filter(({ status }) => status !== 'succeeded').length;
          return (
            <Section
              title="Partitions"
              note={`${items.length - missing} of ${items.length} have a run that succeeded`}
              aside={missing > 0 ? <BackfillButton pipeline={pipeline} missing={missing} /> : null}
            >
              {items.length > 0 ? <Matrix items={items} /> : <Empty what="No partition is over yet." />}
            </Section>
          );
        }}
      </Load>
      <Section title="Backfills">
        <Load query={backfills}>{({ items }) => <BackfillTable items={items} />}</Load>
      </Section>
    </>
  );
}

/** Rows of the calendar: hours by day, days by month, weeks and months by year; names of one's own are one row. */
function Matrix({ items }: { readonly items: readonly PartitionView[] }) {
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

function rowOf(partition: string, items: readonly PartitionView[]): string {
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
  return (
    <DataTable
      label="backfills"
      name="backfill-"
      isPlain
      rows={items}
      idOf={(row) => row.backfill}
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
