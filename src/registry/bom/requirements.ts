/** A package that the model needs, as `requirements.txt` asks for it. */
export interface Requirement {
  /** Normalized as the Python package index does: lower case, `-` between words. */
  readonly name: string;
  /** Where it is pinned to one version; otherwise null, and `specifier` says what is asked for. */
  readonly version: string | null;
  readonly specifier: string;
  /** SHA-256 digests of the files that may be installed; hexadecimal. */
  readonly sha256: readonly string[];
}

export const REQUIREMENTS_MAX = 2_000;
const LINE_CHARS_MAX = 8_000;

/**
 * Reads the lines of a `requirements.txt` (PEP 508, and pip's options) that name packages, each package once. Options
 * such as `-r` and `--index-url`, and lines that cannot be read, are counted as `skipped`: the list is incomplete then.
 */
export function readRequirements(text: string): { readonly packages: Requirement[]; readonly skipped: number } {
  const packages = new Map<string, Requirement>();
  let skipped = 0;
  for (const line of text.replace(/\\\r?\n/g, ' ').split(/\r?\n/)) {
    const words = line.replace(/(^|\s)#.*$/, '').trim();
    if (words === '') continue;
    const requirement = words.length > LINE_CHARS_MAX ? undefined : requirementOf(words);
    if (!requirement || packages.size >= REQUIREMENTS_MAX) skipped += 1;
    else if (!packages.has(requirement.name)) packages.set(requirement.name, requirement);
  }
  return { packages: [...packages.values()], skipped };
}

function requirementOf(words: string): Requirement | undefined {
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)$/.exec(words);
  if (!match) return undefined;
  const [, name = '', rest = ''] = match;
  if (!/^($|[<>=!~;@(]|--hash)/.test(rest)) return undefined;
  const specifier = rest.replace(/\s*(;|--hash).*$/, '').trim();
  const pinned = /^={2,3}\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)$/.exec(specifier);
  const sha256 = [...rest.matchAll(/--hash[= ]sha256:([0-9a-f]{64})\b/g)].map((found) => found[1] ?? '');
  return { name: name.toLowerCase().replace(/[-_.]+/g, '-'), version: pinned?.[1] ?? null, specifier, sha256 };
}
