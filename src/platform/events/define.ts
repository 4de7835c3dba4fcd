import type { z } from 'zod';
import { assert } from '#core/assert';
import type { Json } from '#core/json';
import type { EventDraft } from '#platform/db';
import type { PlatformEvent } from './store.ts';

/** A kind of event: its name and the shape of its data, in one place for those who emit it and those who consume it. */
export interface EventType<Data> {
  readonly type: string;
  /** The event about `subject` (`dataset/flights`), ready for `tx.emit`. */
  draft(subject: string, data: Data): EventDraft;
  /** The data of an event of this type. Another type, or data that does not fit, is a bug. */
  read(event: PlatformEvent): Data;
}

export function defineEvent<const Schema extends z.ZodType>(type: string, schema: Schema): EventType<z.output<Schema>> {
  return {
    type,
    draft: (subject, data) => ({ type, subject, data: schema.parse(data) as Json }),
    read(event) {
      assert(event.type === type, `expected the event ${type}, found ${event.type}`);
      return schema.parse(event.data);
    },
  };
}
