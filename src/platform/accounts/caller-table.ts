import { z } from 'zod';

/**
 * Who may call gateways: everything that a gateway needs to let requests in without asking. It holds digests of random
 * secrets of 256 bits, from which no secret can be found.
 */
export const callerTableSchema = z.object({
  /** Another one after each change. */
  tag: z.string().max(100),
  keys: z
    .array(
      z.object({
        /** SHA-256 of the key, hexadecimal. */
        hash: z.string().regex(/^[0-9a-f]{64}$/),
        actor: z.string().max(200),
        groups: z.array(z.string()),
        /** Epoch milliseconds. */
        expiresAt: z.number().nullable(),
      }),
    )
    .max(200_000),
  /** Users of identity providers who are disabled: their tokens are refused although they are signed. */
  barred: z.array(z.object({ issuer: z.string(), subject: z.string() })).max(200_000),
});
export type CallerTable = z.output<typeof callerTableSchema>;
