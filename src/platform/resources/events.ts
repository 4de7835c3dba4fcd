import { z } from 'zod';
import { defineEvent } from '#platform/events';

/** A resource was declared or changed. Subject: `<kind>/<name>`. */
export const resourceApplied = defineEvent(
  'resource.applied',
  z.object({ change: z.enum(['create', 'change', 'none', 'delete']), generation: z.number().int() }),
);

/** A resource was removed. Subject: `<kind>/<name>`. */
export const resourceDeleted = defineEvent('resource.deleted', z.object({}));
