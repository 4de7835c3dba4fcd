import { assert } from '#core/assert';
import { digestOf } from '#core/hash';
import { canonicalJson, type Json } from '#core/json';
import type { Tx } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { valueAt } from '../conditions.ts';
import type { Artifact } from '../contract.ts';
import { parseSource } from '../sources.ts';
import { definitionOf, findStep, outputsByStep, type StepDefinition } from '../store/steps.ts';
import { unitManifest } from './units.ts';

type Reader = Pick<Tx, 'db'>;

/** The artifacts that a step reads which may run now. Throws a `RangeError` where a result has nothing at the path. */
export async function resolveInputs(
  tx: Reader,
  run: string,
  { inputs, pinned }: StepDefinition,
): Promise<Record<string, Artifact>> {
  const entries = Object.entries(inputs).filter(([name]) => !pinned[name]);
  if (entries.length === 0) return { ...pinned };
  const outputs = await outputsByStep(tx.db, run);
  const resolved: Record<string, Artifact> = {};
  for (const [name, text] of entries) {
    const source = parseSource(text);
    if (source?.kind === 'result') {
      resolved[name] = artifactOf(await resultText(tx, run, text));
      continue;
    }
    const ref = source?.kind === 'output' ? source : undefined;
    const artifact = (ref && outputs.get(ref.step)?.[ref.output]) ?? (ref && (await dividedOutput(tx, run, ref)));
    assert(artifact, `the input '${name}' of a ready step, ${text}, does not exist in run ${run}`);
    resolved[name] = artifact;
  }
  return { ...pinned, ...resolved };
}

/**
 * The inputs of a step. Lists of what units wrote, and what steps returned, are put into the blob store here, by the
 * digest that they have.
 */
export async function inputsFor(
  tx: Reader,
  of: {
    readonly run: string;
    readonly definition: StepDefinition;
    /** As they are stored. */
    readonly inputs: Readonly<Record<string, Artifact>>;
  },
  { blobs }: { readonly blobs: BlobStore },
): Promise<Record<string, Artifact>> {
  const inputs = { ...of.inputs };
  for (const [name, artifact] of Object.entries(inputs)) {
    if (of.definition.pinned[name] !== undefined) continue;
    const text = of.definition.inputs[name] ?? '';
    const source = parseSource(text);
    const isMade = source?.kind === 'result' || artifact.manifest;
    if (!isMade || (await blobs.has(artifact.digest))) continue;
    if (source?.kind === 'result') await blobs.put(Buffer.from(await resultText(tx, of.run, text)));
    else if (source?.kind === 'output') {
      await blobs.put(Buffer.from((await unitManifest(tx, { run: of.run, ...source })).text));
    }
  }
  return inputs;
}

/** JSON as a file. */
export function artifactOf(text: string): Artifact {
  return { digest: digestOf(text), bytes: Buffer.byteLength(text) };
}

/** What lies at the path of a result as the JSON of a file. Throws a `RangeError` where there is nothing. */
export function textOfResult(result: Json | undefined, path: readonly string[], source: string): string {
  const found = valueAt(result, path);
  if (found === undefined || (found === null && path.length === 0)) {
    throw new RangeError(`${source}: the step returned nothing there`);
  }
  return canonicalJson(found);
}

async function resultText(tx: Reader, run: string, text: string): Promise<string> {
  const source = parseSource(text);
  assert(source?.kind === 'result', `${text} is no result`);
  return textOfResult((await findStep(tx.db, run, source.step))?.result, source.path, text);
}

/** An output of all units of a step, as a list of them. */
async function dividedOutput(
  tx: Reader,
  run: string,
  ref: { readonly step: string; readonly output: string },
): Promise<Artifact | undefined> {
  const { map } = await definitionOf(tx.db, run, ref.step);
  return map && (await unitManifest(tx, { run, ...ref })).artifact;
}
