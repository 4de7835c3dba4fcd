import { z } from 'zod';

const lockDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hexadecimal digits');

/**
 * Where a declaration comes from, as whoever declares it says. `kedge apply` fills it in from git and from the lock
 * files beside the project file. It is no part of the cache key: the code bundle is.
 */
export const sourceSpec = z.strictObject({
  /** As git names its remote, without user name and password. */
  repository: z.string().max(1_000).optional(),
  commit: z
    .string()
    .regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'expected a whole commit id of git')
    .optional(),
  branch: z.string().max(300).optional(),
  /** Whether files of the repository below the project's folder differed from the commit. */
  dirty: z.boolean().optional(),
  /** The project file, from the root of the repository. */
  path: z.string().max(1_000).optional(),
  /** Lock files beside the project file, or in a folder above it, to the digest of what they hold. */
  lockFiles: z
    .record(z.string().max(200), lockDigest)
    .refine((files) => Object.keys(files).length <= 20, 'expected at most 20 lock files')
    .default({}),
});
export type Source = z.output<typeof sourceSpec>;
