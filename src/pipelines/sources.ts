import { parseReference, type Reference } from './references.ts';

/** Where an input of a step comes from, as it is declared. */
export type Source =
  /** `<step>.<output>`: a file that an earlier step wrote. */
  | { readonly kind: 'output'; readonly step: string; readonly output: string }
  /** `result:<step>` or `result:<step>.<path>`: what an earlier step returned, as a file of JSON. */
  | { readonly kind: 'result'; readonly step: string; readonly path: readonly string[] }
  /** `input:<name>`: what the pipeline was given. */
  | { readonly kind: 'input'; readonly name: string }
  /** `<kind>:<name>`: something outside, pinned when the run is started. */
  | { readonly kind: 'reference'; readonly reference: Reference };

/** Takes the text of an input apart. Step names have no dot, so the first one divides. */
export function parseSource(text: string): Source | undefined {
  const reference = parseReference(text);
  if (reference?.kind === 'input') return { kind: 'input', name: reference.name };
  if (reference?.kind === 'result') {
    const [step = '', ...path] = reference.name.split('.');
    return step === '' || path.includes('') ? undefined : { kind: 'result', step, path };
  }
  if (reference) return { kind: 'reference', reference };
  const dot = text.indexOf('.');
  if (dot < 1 || dot === text.length - 1) return undefined;
  return { kind: 'output', step: text.slice(0, dot), output: text.slice(dot + 1) };
}

/** The step that an input reads, if it is one of the pipeline's own. */
export function stepRead(text: string): string | undefined {
  const source = parseSource(text);
  return source?.kind === 'output' || source?.kind === 'result' ? source.step : undefined;
}
