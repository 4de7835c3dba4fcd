import { signingErrors } from './errors.ts';

/** A file by its path in the folder, or the bytes of it from `start` up to but without `end`. */
export interface Part {
  /** As the statement lists it: the path, with `:<start>:<end>` where files were cut up. */
  readonly name: string;
  readonly path: string;
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

/**
 * Reads the name of a resource. Names come from whoever made the signature, so a path that is not in its plain form
 * (absolute, with `..`, `.`, empty names, a backslash or control characters) is refused instead of being resolved:
 * `signing/invalid-statement`.
 */
export function partOf(name: string, shardBytes: number | undefined): Part {
  if (shardBytes === undefined) return { name, path: safePath(name, name), range: undefined };
  const match = /^([^:]+):(\d{1,15}):(\d{1,15})$/.exec(name);
  if (!match) throw refused(`resource '${shown(name)}': expected <path>:<start>:<end>`);
  const [start, end] = [Number(match[2]), Number(match[3])];
  if (start % shardBytes !== 0 || end <= start || end - start > shardBytes) {
    throw refused(`resource '${shown(name)}': its bytes are no shard of ${shardBytes} bytes`);
  }
  return { name, path: safePath(match[1] ?? '', name), range: { start, end } };
}

function safePath(path: string, name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  const hasOddCharacters = /[\u0000-\u001f\u007f\\]|^[A-Za-z]:/.test(path);
  const names = path.split('/');
  if (!hasOddCharacters && names.every((part) => part !== '' && part !== '.' && part !== '..')) return path;
  throw refused(`resource '${shown(name)}': expected a plain relative path, without '..', '.' or empty names`);
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}

function refused(detail: string) {
  return signingErrors['invalid-statement'](detail);
}
