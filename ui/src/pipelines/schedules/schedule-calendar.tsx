import { ChevronLeft, ChevronRight, Snowflake } from 'lucide-react';
import type { CalendarDay, ScheduleView } from '#pipelines/schedules/contract';
import { exactTime } from '../../data/format.ts';
import { useNow } from '../../data/use-now.ts';
import { type Url, useUrl } from '../../data/use-url.ts';
import { Go } from '../../kit/link.tsx';
import { Section } from '../../kit/page.tsx';
import { Empty, Failure, Partial } from '../../kit/states.tsx';
import { lookOf } from '../../kit/status.tsx';
import { Choice } from '../../kit/tabs.tsx';
import { places } from '../../places.ts';
import {
  type CalendarSpan,
  countsOf,
  daysOf,
  entriesByDay,
  type FreezeSpan,
  freezesOn,
  isDay,
  movedBy,
  zoned,
} from './calendar.ts';
import { useCalendar, useFreezes } from './use-calendar.ts';

const DAY_MS = 86_400_000;
/** So many ticks of a schedule on one day are shown each; more are counted. */
const EACH_MAX = { week: 6, month: 2 } as const;

/**
 * What ticks when, and what became of it. The address has the span (`by`), a day in it (`on`), the time zone of the
 * days (`zone`) and the schedule, if only one is shown.
 */
export function ScheduleCalendar({ schedules }: { readonly schedules: readonly ScheduleView[] }) {
  const url = useUrl();
  const by: CalendarSpan = url.get('by') === 'month' ? 'month' : 'week';
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set(['UTC', own, ...schedules.map(({ timeZone }) => timeZone)])];
  const zone = zones.find((each) => each === url.get('zone')) ?? 'UTC';
  const today = zoned(zone).day(useNow());
  const named = url.get('on');
  const on = isDay(named) ? named : today;
  const days = daysOf(by, on);
  // A day of any zone begins and ends within fourteen hours of that of UTC.
  const [from, to] = [Date.parse(days[0] ?? on) - DAY_MS, Date.parse(days.at(-1) ?? on) + 2 * DAY_MS];
  const span = { from, to, timeZone: zone, schedule: url.get('schedule'), each: EACH_MAX[by] };
  const { days: ticking, isLoading, error, endsWith } = useCalendar(span);
  const freezes = useFreezes();
  const entries = entriesByDay(ticking);
  if (schedules.length === 0) return <Empty what="No schedule is declared, so nothing ticks." />;
  return (
    <Section title="Calendar" note={`days and times of ${zone}${isLoading ? ', loading' : ''}`}>
      <CalendarTools url={url} by={by} on={on} today={today} zone={zone} zones={zones} schedules={schedules} />
      {error ? <Failure error={error} /> : null}
      {endsWith === undefined ? null : (
        <Partial>The ticks of the schedules up to {endsWith} are shown; choose one of those after it.</Partial>
      )}
      <div className="calendar" data-by={by} aria-busy={isLoading}>
        {days.slice(0, 7).map((day) => (
          <span key={day} className="calendar-head">
            {weekday.format(Date.parse(day))}
          </span>
        ))}
        {days.map((day) => (
          <Day
            key={day}
            day={day}
            entries={entries.get(day) ?? []}
            freezes={freezesOn(freezes, day, zone)}
            zone={zone}
            isToday={day === today}
            isOutside={by === 'month' && day.slice(0, 7) !== on.slice(0, 7)}
          />
        ))}
      </div>
    </Section>
  );
}

const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'short', timeZone: 'UTC' });
const dayText = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const monthText = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });

interface CalendarToolsProps {
  readonly url: Url;
  readonly by: CalendarSpan;
  readonly on: string;
  readonly today: string;
  readonly zone: string;
  readonly zones: readonly string[];
  readonly schedules: readonly ScheduleView[];
}

function CalendarTools({ url, by, on, today, zone, zones, schedules }: CalendarToolsProps) {
  return (
    <div className="toolbar">
      <Choice
        label="Span"
        options={[
          ['week', 'Week'],
          ['month', 'Month'],
        ]}
        value={by}
        onChange={(value) => url.set({ by: value === 'month' ? value : undefined })}
      />
      <Go className="button" aria-label={`The ${by} before`} to={url.href({ on: movedBy(by, on, -1) })}>
        <ChevronLeft size={14} aria-hidden />
      </Go>
      <Go className="button" to={url.href({ on: undefined })}>
        Today
      </Go>
      <Go className="button" aria-label={`The next ${by}`} to={url.href({ on: movedBy(by, on, 1) })}>
        <ChevronRight size={14} aria-hidden />
      </Go>
      <strong>
        {by === 'month'
          ? monthText.format(Date.parse(on))
          : `Week of ${dayText.format(Date.parse(daysOf(by, on)[0] ?? on))}`}
      </strong>
      <select
        className="input"
        aria-label="Time zone"
        value={zone}
        onChange={(event) =>
          url.set({ zone: event.currentTarget.value === 'UTC' ? undefined : event.currentTarget.value })
        }
      >
        {zones.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
      <select
        className="input"
        aria-label="Schedule"
        value={url.get('schedule') ?? ''}
        onChange={(event) => url.set({ schedule: event.currentTarget.value })}
      >
        <option value="">all schedules</option>
        {schedules.map(({ schedule, timeZone }) => (
          <option key={schedule} value={schedule}>{`${schedule} (${timeZone})`}</option>
        ))}
      </select>
      <span className="visually-hidden">{`Today is ${today}`}</span>
    </div>
  );
}

interface DayProps {
  readonly day: string;
  readonly entries: readonly CalendarDay[];
  readonly freezes: readonly FreezeSpan[];
  readonly zone: string;
  readonly isToday: boolean;
  readonly isOutside: boolean;
}

function Day({ day, entries, freezes, zone, isToday, isOutside }: DayProps) {
  return (
    <section
      className="calendar-day"
      aria-label={day}
      data-today={isToday || undefined}
      data-outside={isOutside || undefined}
      data-frozen={freezes.length > 0 || undefined}
    >
      <span className="calendar-date">{dayText.format(Date.parse(day))}</span>
      {freezes.map(({ name, reason, from, to, pipelines }) => (
        <span
          key={name}
          className="calendar-freeze"
          title={`${name}: ${exactTime(from)} to ${exactTime(to)}, ${pipelines.join(', ') || 'all pipelines'}`}
        >
          <Snowflake size={12} aria-hidden />
          {`frozen: ${reason}`}
        </span>
      ))}
      {entries.map((entry) => (
        <Entry key={entry.schedule} entry={entry} zone={zone} />
      ))}
    </section>
  );
}

function Entry({ entry, zone }: { readonly entry: CalendarDay; readonly zone: string }) {
  const { schedule, ticks } = entry;
  const { time } = zoned(zone);
  const counts = countsOf(entry);
  if (counts.reduce((sum, [, count]) => sum + count, 0) > ticks.length) {
    const words = counts.map(([status, count]) => `${count} ${lookOf(status).word ?? status}`).join(', ');
    return (
      <Go className="calendar-tick" to={places.schedules({ schedule })} title={`${schedule}: ${words}`}>
        <span className="calendar-name">{schedule}</span>
        {counts.map(([status, count]) => {
          const { icon: Icon, tone } = lookOf(status);
          return (
            <span key={status} className="calendar-count" data-tone={tone}>
              <Icon size={12} aria-hidden />
              {count}
              <span className="visually-hidden">{status}</span>
            </span>
          );
        })}
      </Go>
    );
  }
  return ticks.map(({ at, status, run, reason }) => {
    const { icon: Icon, tone, word } = lookOf(status);
    const title = `${schedule}, ${exactTime(at)}: ${word ?? status}${reason ? `, ${reason}` : ''}`;
    return (
      <Go
        key={at}
        className="calendar-tick"
        data-tone={tone}
        data-status={status}
        to={run ? places.run(run) : places.schedules({ schedule })}
        title={title}
      >
        <Icon size={12} aria-hidden />
        <span className="calendar-time">{time(at)}</span>
        <span className="calendar-name">{schedule}</span>
        <span className="visually-hidden">{word ?? status}</span>
      </Go>
    );
  });
}
