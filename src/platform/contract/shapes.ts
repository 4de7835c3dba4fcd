import { z } from 'zod';

/** Names of resources: lower case letters, digits, `-`, `_` and `.`; they start and end with a letter or digit. */
export const nameSchema = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/, 'expected lower case letters, digits, - _ . (as in daily-flights)');

/** The query of every paged list: `after` is the `next` of the page before. */
export const pageQuery = z.object({
  after: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export interface Page<T> {
  readonly items: readonly T[];
  /** Present when there is more. */
  readonly next?: string | undefined;
}

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}
