import type { EventView } from '#platform/activity/contract';
import type { TimelineItem } from '../kit/timeline.tsx';
import { placeOfSubject, places } from '../places.ts';
import { EventData, summarizers, tell } from './event-words.ts';

/** Events of a kind and subject that lie closer than this are told together. */
const TOGETHER_MS = 10 * 60_000;

interface Group {
  readonly newest: EventView;
  readonly events: EventView[];
}

/** The newest events in words, newest first. Kinds that come by the hundred are summed up to one line. */
export function recentItems(events: readonly EventView[]): TimelineItem[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const event of events) {
    const key = isSummed(event) ? `${event.type} ${event.subject}` : undefined;
    const group = key === undefined ? undefined : open.get(key);
    const isClose = group && (group.events.at(-1)?.time ?? 0) - event.time < TOGETHER_MS;
    if (group && isClose) group.events.push(event);
    else {
      const started = { newest: event, events: [event] };
      groups.push(started);
      if (key !== undefined) open.set(key, started);
    }
  }
  return groups.flatMap(itemOf);
}

function isSummed({ type }: EventView): boolean {
  return Object.hasOwn(summarizers, type);
}

function itemOf({ newest, events }: Group): TimelineItem[] {
  const summarize = summarizers[newest.type];
  const told = summarize ? summarize(events.map(({ data }) => new EventData(data))) : tell(newest);
  if (!told) return [];
  const { seq, time, subject } = newest;
  // The oldest of a group stays the same while it grows, and so does the line.
  const id = summarize ? `${newest.type}-${events.at(-1)?.seq}` : String(seq);
  return [{ id, at: time, ...told, subject: nameOf(newest), to: placeOf(newest) ?? placeOfSubject(subject) }];
}

function placeOf({ type, data }: EventView): string | undefined {
  const fields = new EventData(data);
  if (type.startsWith('incident.')) return places.incident(fields.text('incident'));
  if (type === 'governance.decided') return places.gateDecision(fields.text('decision'));
  if (type === 'monitoring.signal') return places.monitored(fields.text('endpoint'), { tab: 'signals' });
  if (type === 'monitoring.comparison-block') return places.endpoint(fields.text('endpoint'));
  if (type.startsWith('automation.') && fields.text('run')) return places.run(fields.text('run'));
  return undefined;
}

/** What the line is about, as people call it. */
function nameOf({ type, subject, data }: EventView): string {
  const fields = new EventData(data);
  if (type.startsWith('pipeline.')) return fields.text('pipeline');
  if (type === 'monitoring.comparison-block') return fields.text('endpoint');
  if (type.startsWith('governance.')) return `${fields.text('model')}@${fields.text('version')}`;
  return subject.slice(subject.indexOf('/') + 1);
}
