import { z } from 'zod';

export const STEP_FILES_MAX = 200;
/** All files of a step together. */
export const STEP_FILES_BYTES_MAX = 8 * 1024 * 1024;
const PATH_LENGTH_MAX = 200;
const RUNTIME_NAMES_MAX = 20;

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const PATH = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;

/** Whether a text is the path of a file below a folder, which it cannot leave. */
const isBelow = (path: string): boolean => PATH.test(path) && !path.split('/').some((part) => /^\.\.?$/.test(part));

export const isContentDigest = (text: string): boolean => DIGEST.test(text);

/**
 * The files of a command: their paths in the folder where it starts, to the digests of what they hold. A project file
 * has paths beside itself in their place, which `kedge apply` sends.
 */
export const stepFiles = z
  .record(
    z
      .string()
      .max(PATH_LENGTH_MAX)
      .refine(isBelow, 'expected a relative path of letters, digits, . _ - and /, without ..'),
    z.string().regex(DIGEST, 'expected the digest of stored content; kedge apply puts it in the place of a path'),
  )
  .superRefine((files, issues) => {
    const paths = Object.keys(files);
    const refuse = (message: string): void => issues.addIssue({ code: 'custom', message });
    if (paths.length > STEP_FILES_MAX) refuse(`has ${paths.length} files, the limit is ${STEP_FILES_MAX}`);
    const folder = folderAmong(paths);
    if (folder !== undefined) refuse(`'${folder}' is both a file and a folder`);
  });

/** What else the work depends on, in words that are compared and not looked into. */
export const stepRuntime = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,39}$/, 'expected a name such as interpreter'),
    z.string().min(1).max(300),
  )
  .refine((runtime) => Object.keys(runtime).length <= RUNTIME_NAMES_MAX, `expected at most ${RUNTIME_NAMES_MAX} names`);

/** A path among others that would be the folder of one of them. */
export function folderAmong(paths: readonly string[]): string | undefined {
  const all = new Set(paths);
  for (const path of paths) {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      if (all.has(path.slice(0, slash))) return path.slice(0, slash);
    }
  }
  return undefined;
}
