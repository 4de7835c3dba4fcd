import type { Tx } from '#platform/db';
import type { GivenInput } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { fitsInput, type InputDeclaration } from '../inputs.ts';
import { type PinnedFor, type Pins, parseReference } from '../references.ts';
import { findRun } from '../store/runs.ts';

/**
 * The inputs of a run: those that it is given, and what references stand for at this moment. Errors:
 * `pipelines/invalid-params`, `pipelines/unknown-reference`.
 */
export async function givenInputsOf(
  tx: Tx,
  of: { readonly pipeline: string; readonly declared: Readonly<Record<string, InputDeclaration>> | undefined },
  from: PinnedFor & {
    /** By the step that runs the pipeline, or by an earlier run. */
    readonly given: Readonly<Record<string, GivenInput>>;
    /** References, by whoever starts it. */
    readonly asked: Readonly<Record<string, string>>;
    readonly pins: Pins;
  },
): Promise<Record<string, GivenInput>> {
  const { pipeline, declared = {} } = of;
  const refuse = (name: string, message: string): Error => {
    const path = `inputs.${name}`;
    return pipelineErrors['invalid-params'](`pipeline '${pipeline}': ${path} ${message}`, [{ path, message }]);
  };
  const known = Object.keys(declared).join(', ') || 'none';
  const unknown = [...Object.keys(from.given), ...Object.keys(from.asked)].find(
    (name) => !Object.hasOwn(declared, name),
  );
  if (unknown !== undefined) {
    throw refuse(unknown, `is given, and the pipeline declares no such input (it declares: ${known})`);
  }
  const resolved: Record<string, GivenInput> = {};
  for (const [name, { type, default: fallback }] of Object.entries(declared)) {
    const given = from.asked[name] === undefined ? from.given[name] : undefined;
    const text = from.asked[name] ?? fallback;
    if (given) resolved[name] = given;
    else if (text === undefined) throw refuse(name, `is required: give a ${type}, it has no default`);
    else resolved[name] = await pinned(tx, { ...from, text, type, refuse: (why) => refuse(name, why) });
  }
  return resolved;
}

interface Asked extends PinnedFor {
  readonly text: string;
  readonly type: string;
  readonly pins: Pins;
  readonly refuse: (message: string) => Error;
}

async function pinned(tx: Tx, asked: Asked): Promise<GivenInput> {
  const { text, type, pins, project, refuse } = asked;
  const reference = parseReference(text);
  if (!reference) throw refuse(`is '${text}': expected <kind>:<name>, as in dataset:flights`);
  const requireFit = (made: string): void => {
    if (!fitsInput(made, type)) throw refuse(`is '${text}': expected ${type}, found ${made}`);
  };
  if (reference.kind === 'run') {
    const found = await outputOfRun(tx, reference.name, asked);
    requireFit(found.directory ? 'directory' : 'file');
    return found;
  }
  requireFit(reference.kind);
  const pin = pins[reference.kind];
  if (!pin) throw refuse(`is '${text}': expected a kind among ${['run', ...Object.keys(pins)].join(', ')}`);
  return { ...(await pin(tx, reference.name, { project })), from: text };
}

/** `run:<run>/<step>.<output>`: what a run has written that is over. */
async function outputOfRun(tx: Tx, name: string, { text, refuse }: Asked): Promise<GivenInput> {
  const slash = name.indexOf('/');
  const [id, output] = [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)];
  const run = await findRun(tx.db, id);
  if (!run) throw refuse(`is '${text}': expected run:<run>/<step>.<output>, and there is no run '${id}'`);
  const found = run.outputs[output];
  const known = Object.keys(run.outputs).join(', ') || 'none';
  if (!found) throw refuse(`is '${text}': run ${id} is ${run.status} and has no output '${output}' (it has: ${known})`);
  return { ...found, from: `${run.pipeline}/${output}` };
}
