import type { Kedge } from 'kedge';
import type { Timeline } from './timeline.ts';

type Event = Awaited<ReturnType<Kedge['activity']['listEvents']>>['items'][number];

/** One decision of the platform, as the report keeps it. */
export interface Decision {
  readonly seq: number;
  /** Event time reached by the replay when it was taken, in epoch milliseconds. */
  readonly at: number;
  /** Wall-clock time in epoch milliseconds. */
  readonly time: number;
  readonly type: string;
  readonly subject: string;
  readonly data: Record<string, unknown>;
  readonly text: string;
}

const PAGE = 60;

/** Follows what the platform does by its own events, tells it in words, and keeps it for the report. */
export class Narrator {
  readonly #kedge: Kedge;
  readonly #timeline: Timeline;
  readonly #now: () => number;
  readonly decisions: Decision[] = [];
  #after = 0;

  constructor(kedge: Kedge, timeline: Timeline, now: () => number) {
    this.#kedge = kedge;
    this.#timeline = timeline;
    this.#now = now;
  }

  /** Tells what is new. Nothing is missed, however long it was not called. */
  async catchUp(): Promise<void> {
    const { items } = await this.#kedge.activity.listEvents({ query: { limit: PAGE } });
    const fresh: Event[] = items.filter((event) => event.seq > this.#after);
    while (fresh.length > 0 && fresh.length % PAGE === 0) {
      const before = fresh.at(-1)?.seq;
      const older = await this.#kedge.activity.listEvents({ query: { limit: PAGE, before } });
      const missing = older.items.filter((event) => event.seq > this.#after);
      fresh.push(...missing);
      if (missing.length < PAGE) break;
    }
    for (const event of fresh.reverse()) this.#tell(event);
    this.#after = Math.max(this.#after, items[0]?.seq ?? 0);
  }

  /** The newest decision of a type, optionally one that fits. */
  last(type: string, fits: (decision: Decision) => boolean = () => true): Decision | undefined {
    return this.decisions.findLast((decision) => decision.type === type && fits(decision));
  }

  #tell(event: Event): void {
    const data = (event.data ?? {}) as Record<string, unknown>;
    const text = wordsFor(event.type, event.subject, data);
    if (text === undefined) return;
    this.decisions.push({
      seq: event.seq,
      at: this.#now(),
      time: event.time,
      type: event.type,
      subject: event.subject,
      data,
      text,
    });
    this.#timeline.tell(this.#now(), text);
  }
}

function wordsFor(type: string, subject: string, data: Record<string, unknown>): string | undefined {
  const [, name = subject] = subject.split('/');
  const cause = (data['cause'] as { id?: string } | undefined)?.id;
  switch (type) {
    case 'dataset.quarantined':
      return `QUARANTINE  ${data['rows']} rows of ${name} held: ${(data['reasons'] as string[]).join('; ')}`;
    case 'pipeline.run-started':
      return `pipeline ${data['pipeline']} starts (${cause})`;
    case 'pipeline.run-finished':
      return `pipeline ${data['pipeline']} ${data['status']}${data['reason'] ? `: ${data['reason']}` : ''}`;
    case 'registry.version-registered':
      return `${data['model']} version ${data['version']} registered`;
    case 'governance.decided':
      return data['allow'] === true
        ? `gate allows ${data['model']} version ${data['version']}`
        : `GATE REFUSES ${data['model']} version ${data['version']}: ${(data['missing'] as string[]).join('; ')}`;
    case 'serving.rollout-started':
      return `rollout of version ${data['candidate']} starts in ${data['stage']}${data['forced'] ? ', FORCED' : ''}`;
    case 'serving.rollout-advanced':
      return `${data['from']} → ${data['to']} (${data['weight']} %): ${data['sentence']}`;
    case 'serving.rollout-finished':
      return `${String(data['outcome']).toUpperCase()}: ${data['sentence']}`;
    case 'serving.guardrail-tripped':
      return (
        `GUARDRAIL  ${data['reason']} ${(100 * Number(data['observed'])).toFixed(0)} % ` +
        `after ${data['requests']} requests`
      );
    case 'monitoring.signal':
      return `signal ${data['alert']} ${data['state']}: ${data['sentence']}`;
    case 'automation.fired':
      return `RULE ${name} fires: ${data['reason']}`;
    case 'automation.held':
      return `rule ${name} holds (${data['outcome']}): ${data['reason']}`;
    case 'incident.opened':
      return `INCIDENT  ${data['title']}`;
    default:
      return undefined;
  }
}
