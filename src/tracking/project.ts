import type { Context } from '#platform/db';

export const DEFAULT_PROJECT = 'default';

/** The project that a request, or a part of the platform that acts by itself, is in. */
export function projectOf(context: Context): string {
  return (context as { readonly project?: string }).project ?? DEFAULT_PROJECT;
}
