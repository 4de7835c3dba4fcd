import { z } from 'zod';

/** Lines of one request of a worker. */
export const LOG_BATCH_LINES_MAX = 2_000;
export const LOG_LINE_LENGTH_MAX = 8_192;
/** Lines that the log of one attempt keeps. */
export const LOG_LINES_MAX = 2_000_000;
/** Bytes of text that it keeps. */
export const LOG_BYTES_MAX = 128 * 1024 * 1024;
/** Lines of one page. */
export const LOG_PAGE_LINES_MAX = 2_000;

export const logStream = z.enum(['stdout', 'stderr', 'worker']);

const logLine = z.object({
  /** Orders the lines of a step over all its attempts. */
  position: z.number().int(),
  epoch: z.number().int(),
  /** Counts the lines of an attempt, from 1 on. */
  number: z.number().int(),
  at: z.number(),
  stream: logStream,
  text: z.string(),
});
export type LogLine = z.output<typeof logLine>;

export const logQuery = z.object({
  after: z.coerce.number().int().min(0).default(0),
  /** The last lines before this position, instead of the first ones after `after`. */
  before: z.coerce.number().int().min(1).optional(),
  /** Only lines with this text. The case of ASCII letters does not matter. */
  contains: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(LOG_PAGE_LINES_MAX).default(500),
});
export type LogQuery = z.output<typeof logQuery>;

export const logPage = z.object({
  items: z.array(logLine),
  /** A further page begins after it. */
  next: z.number().int(),
  /** Of a page with `before`: a further one ends before it. */
  previous: z.number().int().optional(),
  /** The page is full, or the search has looked at as many lines as one request may: there may be more to read. */
  more: z.boolean(),
  done: z.boolean(),
});
export type LogPage = z.output<typeof logPage>;
