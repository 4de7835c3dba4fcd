import type { z } from 'zod';
import { invalidInput } from './problem.ts';

/** One part of the input of a route by its schema, under its name; nothing of a part that the route does not have. */
export function part(name: string, schema: z.ZodType | undefined, value: unknown): Record<string, unknown> {
  if (!schema) return {};
  const parsed = schema.safeParse(value ?? (name === 'body' ? undefined : {}));
  if (!parsed.success) throw invalidInput(name, parsed.error);
  return { [name]: parsed.data };
}
