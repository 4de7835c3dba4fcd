import { z } from 'zod';
import { jsonValue, STEP_ERROR_KINDS } from '#pipelines/contract';

/** What the worker writes to the standard input of a step host. */
export const hostRequest = z.object({
  /** Absolute path of the module in the unpacked bundle. */
  modulePath: z.string(),
  export: z.string(),
  params: z.record(z.string(), jsonValue),
  /** Name to absolute path. */
  inputs: z.record(z.string(), z.string()),
  outputs: z.record(z.string(), z.string()),
  resultPath: z.string(),
  seed: z.number(),
  run: z.string(),
  step: z.string(),
  client: z.object({ url: z.string(), token: z.string().optional() }),
  /** The process that the host must not outlive. */
  parent: z.number(),
});
export type HostRequest = z.output<typeof hostRequest>;

/** What the host leaves at `resultPath`: how the function ended. Without it, the process ended before the function. */
export const hostReport = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: jsonValue }),
  z.object({ ok: z.literal(false), kind: z.enum(STEP_ERROR_KINDS), message: z.string() }),
]);
export type HostReport = z.output<typeof hostReport>;
