import type { Page } from '#platform/contract';
import { registryErrors } from './errors.ts';

export interface PageQuery {
  readonly after?: string | undefined;
  readonly limit: number;
}

/** One item more than the page was read: when it is there, there is a next page. */
export function page<T>(items: T[], limit: number, cursorOf: (last: T) => string): Page<T> {
  if (items.length <= limit) return { items };
  const shown = items.slice(0, limit);
  return { items: shown, next: cursorOf(shown[limit - 1] as T) };
}

/** The number that a page begins below. Errors: `registry/invalid-cursor`. */
export function numberCursor(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw registryErrors['invalid-cursor'](`after: '${after.slice(0, 100)}' is not the 'next' of a page before`);
}
