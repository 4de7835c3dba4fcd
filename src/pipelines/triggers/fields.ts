import type { Json } from '#core/json';
import type { PlatformEvent } from '#platform/events';

/** What conditions and references see of an event: its data, and what every event has beside that. */
export function fieldsOfEvent({ seq, time, type, subject, data }: PlatformEvent): Readonly<Record<string, Json>> {
  return { ...(data as { readonly [name: string]: Json }), seq, time, type, subject };
}
