import { z } from 'zod';
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

const defined = new Map<string, z.ZodType>();

/**
 * Every type that a loaded module defines, by name in order, with the JSON Schema of its data. A control plane loads
 * all domains before it takes a request, so there they are all types that it can publish.
 */
export function eventTypes(): ReadonlyMap<string, EventSchema> {
  const types = [...defined].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(types.map(([type, schema]) => [type, z.toJSONSchema(schema, { unrepresentable: 'any' })]));
}
export type EventSchema = z.core.JSONSchema.BaseSchema;

export function defineEvent<const Schema extends z.ZodType>(type: string, schema: Schema): EventType<z.output<Schema>> {
  assert(!defined.has(type), `the event ${type} is defined twice`);
  defined.set(type, schema);
  return {
    type,
    draft: (subject, data) => ({ type, subject, data: schema.parse(data) as Json }),
    read(event) {
      assert(event.type === type, `expected the event ${type}, found ${event.type}`);
      return schema.parse(event.data);
    },
  };
}
