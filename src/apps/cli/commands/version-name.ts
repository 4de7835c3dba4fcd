import { UsageError } from '../failure.ts';

/** The parts of `<model>@<version>`, as in `delays@3`. */
export function versionNamed(text: string): { readonly model: string; readonly version: number } {
  const at = text.lastIndexOf('@');
  const version = Number(text.slice(at + 1));
  if (at > 0 && Number.isSafeInteger(version) && version > 0) return { model: text.slice(0, at), version };
  throw new UsageError(`${text}: expected <model>@<version>, as in delays@3`);
}
