import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import type { ScheduleView } from '#pipelines/schedules/contract';
import type { TriggerView } from '#pipelines/triggers/contract';
import { exactTime } from '../../data/format.ts';
import { kedge, read } from '../../data/read.ts';
import { useUrl } from '../../data/use-url.ts';
import { Action } from '../../kit/action.tsx';
import { Age } from '../../kit/age.tsx';
import { Go } from '../../kit/link.tsx';
import { Page, Section } from '../../kit/page.tsx';
import { Empty, Load, Loading } from '../../kit/states.tsx';
import { StatusChip } from '../../kit/status.tsx';
import type { Column } from '../../kit/table/column.ts';
import { DataTable } from '../../kit/table/data-table.tsx';
import { TabBar, useTab } from '../../kit/tabs.tsx';
import { places } from '../../places.ts';
import { ScheduleCalendar } from './schedule-calendar.tsx';

const TICKS_SHOWN = 20;

/** What starts pipelines by itself: times and events, when they are next, and what became of the last. */
export function SchedulesPage() {
  const url = useUrl();
  const schedules = useQuery(read('schedules', 'listSchedules', { query: { limit: 1_000 } }));
  const tab = useTab(['list', 'calendar']);
  return (
    <Page title="Schedules" lead="What starts pipelines by itself: local times, and things that happen.">
      <TabBar
        tabs={[
          { id: 'list', label: 'List' },
          { id: 'calendar', label: 'Calendar' },
        ]}
        current={tab}
        drop={['by', 'on', 'zone', 'schedule']}
      />
      {tab === 'calendar' ? (
        <Load query={schedules} loading={<Loading rows={14} />}>
          {({ items }) => <ScheduleCalendar schedules={items} />}
        </Load>
      ) : (
        <ScheduleList schedules={schedules} chosen={url.get('schedule')} />
      )}
    </Page>
  );
}

interface ScheduleListProps {
  readonly schedules: UseQueryResult<{ readonly items: ScheduleView[] }, Error>;
  readonly chosen: string | undefined;
}

function ScheduleList({ schedules, chosen: name }: ScheduleListProps) {
  const triggers = useQuery(read('triggers', 'listTriggers'));
  const chosen = schedules.data?.items.find(({ schedule }) => schedule === name);
  return (
    <>
      <Section title="Schedules" note="next ticks in the time zone of each">
        <Load query={schedules}>
          {({ items }) => (
            <DataTable
              label="schedules"
              rows={items}
              columns={scheduleColumns}
              idOf={(row) => row.schedule}
              to={(row) => places.schedules({ schedule: row.schedule })}
              empty={
                <Empty
                  what="No schedule is declared."
                  command="kedge apply kedge.ts   # with schedule('nightly', { … }) in it"
                />
              }
            />
          )}
        </Load>
      </Section>
      {chosen ? <ScheduleDetail key={chosen.schedule} schedule={chosen} /> : null}
      <Section title="Triggers">
        <Load query={triggers}>
          {({ items }) => (
            <DataTable
              label="triggers"
              name="trigger-"
              isPlain
              rows={items}
              columns={triggerColumns}
              idOf={(row) => row.trigger}
              empty={<Empty what="No trigger is declared." />}
            />
          )}
        </Load>
      </Section>
    </>
  );
}

const scheduleColumns: readonly Column<ScheduleView>[] = [
  { id: 'schedule', header: 'Schedule', value: (row) => row.schedule },
  {
    id: 'pipeline',
    header: 'Pipeline',
    value: (row) => row.pipeline,
    cell: (row) => <Go to={places.pipeline(row.pipeline)}>{row.pipeline}</Go>,
  },
  { id: 'cron', header: 'Cron', value: (row) => row.cron, cell: (row) => <code>{row.cron}</code> },
  { id: 'zone', header: 'Time zone', value: (row) => row.timeZone },
  {
    id: 'next',
    header: 'Next',
    value: (row) => row.nextAt,
    cell: (row) => (row.pausedAt === null ? <NextTime row={row} /> : <StatusChip status="held" detail="paused" />),
  },
  {
    id: 'last',
    header: 'Last tick',
    value: (row) => row.last?.at ?? null,
    cell: (row) => (row.last ? <StatusChip status={wordOf(row.last.outcome)} /> : null),
  },
  { id: 'pause', header: '', value: () => null, cell: (row) => <PauseAction schedule={row} /> },
];

function NextTime({ row }: { readonly row: ScheduleView }) {
  if (row.nextAt === null) return <>never</>;
  const local = new Intl.DateTimeFormat('en-GB', { timeZone: row.timeZone, dateStyle: 'medium', timeStyle: 'short' });
  return <span title={exactTime(row.nextAt)}>{local.format(row.nextAt)}</span>;
}

/** An outcome in a word that has a look. */
function wordOf(outcome: string): string {
  return { started: 'fired', frozen: 'held', overlapped: 'skipped', limited: 'held' }[outcome] ?? outcome;
}

function PauseAction({ schedule }: { readonly schedule: ScheduleView }) {
  const params = { schedule: schedule.schedule };
  return schedule.pausedAt === null ? (
    <Action
      label="Pause"
      title={`Pause ${schedule.schedule}?`}
      effect={<p>Its ticks start nothing until it is resumed.</p>}
      confirm="Pause"
      reason={{ label: 'Reason', lengthMin: 1 }}
      run={(reason) => kedge.schedules.pauseSchedule({ params, body: { reason } })}
    />
  ) : (
    <Action
      label="Resume"
      kind="main"
      title={`Resume ${schedule.schedule}?`}
      effect={<p>It ticks again from now on. Ticks since the pause start nothing.</p>}
      confirm="Resume"
      run={() => kedge.schedules.resumeSchedule({ params, body: {} })}
    />
  );
}

function ScheduleDetail({ schedule }: { readonly schedule: ScheduleView }) {
  const params = { schedule: schedule.schedule };
  const next = useQuery(read('schedules', 'nextTicks', { params, query: { count: TICKS_SHOWN } }));
  const ticks = useQuery(read('schedules', 'listTicks', { params, query: { limit: TICKS_SHOWN } }));
  return (
    <>
      <Section title={`Next ticks of ${schedule.schedule}`} note={schedule.timeZone}>
        <Load query={next}>
          {({ items }) => (
            <ol className="tick-list">
              {items.map(({ at, local, offset }) => (
                <li key={at} title={exactTime(at)}>
                  {local} <span className="muted">{offset}</span>
                </li>
              ))}
            </ol>
          )}
        </Load>
      </Section>
      <Section title={`What became of the ticks of ${schedule.schedule}`}>
        <Load query={ticks}>
          {({ items }) => (
            <DataTable
              label="ticks"
              name="tick-"
              isPlain
              rows={items}
              idOf={(row) => String(row.at)}
              columns={[
                { id: 'at', header: 'Tick', value: (row) => row.at, cell: (row) => exactTime(row.at) },
                {
                  id: 'outcome',
                  header: 'Outcome',
                  value: (row) => row.outcome,
                  cell: (row) => <StatusChip status={wordOf(row.outcome)} />,
                },
                {
                  id: 'run',
                  header: 'Run',
                  value: (row) => row.run,
                  cell: (row) => (row.run ? <Go to={places.run(row.run)}>{row.run}</Go> : null),
                },
                { id: 'reason', header: 'Reason', value: (row) => row.reason, isWide: true },
              ]}
              empty={<Empty what="It has not ticked yet." />}
            />
          )}
        </Load>
      </Section>
    </>
  );
}

const triggerColumns: readonly Column<TriggerView>[] = [
  { id: 'trigger', header: 'Trigger', value: (row) => row.trigger },
  {
    id: 'pipeline',
    header: 'Pipeline',
    value: (row) => row.pipeline,
    cell: (row) => <Go to={places.pipeline(row.pipeline)}>{row.pipeline}</Go>,
  },
  {
    id: 'on',
    header: 'On',
    value: ({ on }) =>
      'pipeline' in on ? `runs of ${on.pipeline}` : 'dataset' in on ? `rows of ${on.dataset}` : 'signed requests',
  },
  {
    id: 'last',
    header: 'Last',
    value: (row) => row.last?.at ?? null,
    cell: (row) => (row.last ? <StatusChip status={wordOf(row.last.outcome)} /> : null),
  },
  { id: 'at', header: 'When', value: (row) => row.last?.at ?? null, cell: (row) => <Age at={row.last?.at} /> },
  { id: 'reason', header: 'Reason', value: (row) => row.last?.reason ?? null, isWide: true },
];
