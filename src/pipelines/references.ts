import type { Tx } from '#platform/db';
import type { Artifact } from './contract.ts';
import { pipelineErrors } from './errors.ts';

/** An input that lies outside the pipeline: `dataset:flights`, `feature-view:origin`, `model:delays@champion`. */
export interface Reference {
  readonly kind: string;
  readonly name: string;
}

/** Kinds that speak of the pipeline itself: what it was given, and what a step of it returned. */
const OWN_KINDS: ReadonlySet<string> = new Set(['input', 'result']);

/**
 * Pins what a reference stands for at this moment: content that never changes, in the blob store. A run keeps what it
 * was started with, and the cache sees by the digest when it was something else.
 */
export type Pin = (tx: Tx, name: string, of: PinnedFor) => Promise<Artifact>;

export interface PinnedFor {
  /** Of the run; null for none. */
  readonly project: string | null;
}

/** How each kind of reference is pinned. Which kinds there are is for whoever connects the domains to say. */
export type Pins = Readonly<Record<string, Pin>>;

export function parseReference(text: string): Reference | undefined {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) return undefined;
  return { kind: text.slice(0, colon), name: text.slice(colon + 1) };
}

/** The artifacts that a step's references stand for at this moment. Errors: `pipelines/unknown-reference`. */
export async function pinReferences(
  tx: Tx,
  inputs: Readonly<Record<string, string>>,
  { pins, project }: PinnedFor & { readonly pins: Pins },
): Promise<Record<string, Artifact>> {
  const pinned: Record<string, Artifact> = {};
  for (const [input, text] of Object.entries(inputs)) {
    const reference = parseReference(text);
    if (!reference || OWN_KINDS.has(reference.kind)) continue;
    const pin = pins[reference.kind];
    if (!pin) {
      const known = Object.keys(pins).join(', ');
      throw pipelineErrors['unknown-reference'](`inputs.${input}: '${text}': expected a kind among ${known}`);
    }
    pinned[input] = await pin(tx, reference.name, { project });
  }
  return pinned;
}
