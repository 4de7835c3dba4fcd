import { z } from 'zod';

/** An output as it is declared: a file, or with a slash at the end a directory. */
export const outputDeclaration = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9._-]{0,59}\/?$/,
    'expected a letter, then letters, digits, . _ or - (at most 60), and / at the end of a directory',
  );

/** What a declared output is called wherever it is written, read and stored. */
export function outputName(declared: string): string {
  return isDirectory(declared) ? declared.slice(0, -1) : declared;
}

export function isDirectory(declared: string): boolean {
  return declared.endsWith('/');
}

/** The type of what a step writes, as inputs of pipelines declare it. What units write is read as a list. */
export function outputType(declared: string, { isDivided }: { readonly isDivided: boolean }): string {
  if (isDirectory(declared)) return isDivided ? 'directories' : 'directory';
  return isDivided ? 'files' : 'file';
}
