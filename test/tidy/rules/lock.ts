import type { Rule, Violation } from '../source-file.ts';

interface LockEntry {
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly os?: readonly string[];
}

/** The lock pins what is installed, not where from: everybody installs from the registry that they configured. */
export const lock: Rule = (files) =>
  files
    .filter((file) => file.path === 'package-lock.json')
    .flatMap(({ path, text, lines }) => [
      ...lines.flatMap((line, index): Violation[] => {
        const message = 'names a registry host; install with `npm --omit-lockfile-registry-resolved=true`';
        return /^\s*"resolved":/.test(line) ? [{ path, line: index + 1, message }] : [];
      }),
      ...unverified(text).map((name): Violation => {
        const line = lines.findIndex((candidate) => candidate.includes(`"${name}"`)) + 1;
        return { path, line, message: `${name} has no integrity hash and is for every platform; lock it again` };
      }),
    ]);

/** Entries without a hash. One for another platform may lack it: see tools/complete-lock.mjs. */
function unverified(text: string): string[] {
  const { packages }: { packages: Readonly<Record<string, LockEntry>> } = JSON.parse(text);
  return Object.entries(packages)
    .filter(([name, entry]) => name && !entry.integrity && !(entry.optional && entry.os))
    .map(([name]) => name);
}
