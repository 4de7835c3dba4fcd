import type { FeaturePlan } from '#features';
import type { Arm, ArmTensors, ModelSignature } from '../routing.ts';
import type { CheckResult } from './check-result.ts';
import type { ChecksPlan } from './checks-spec.ts';

type Input = ModelSignature['inputs'][number];

/**
 * Holds the inputs and the output of a candidate against those of the current revision. An input that is new and that
 * no feature view delivers, one of another kind, and another output break requests of today or what reads the answers;
 * an input that is no longer taken, or stands elsewhere, does not.
 */
export function checkParity(
  { current, candidate }: { readonly current: Arm; readonly candidate: Arm },
  { signature: demanded }: Pick<ChecksPlan, 'signature'>,
  features: FeaturePlan | null,
): CheckResult {
  const { breaking, harmless } =
    current.tensors || candidate.tensors ? ofTensors(current, candidate) : ofColumns(current, candidate, features);
  const details = [...breaking, ...harmless].map((text) => text.slice(0, 500));
  const passed = demanded === 'note' || (demanded === 'compatible' ? breaking.length === 0 : details.length === 0);
  return {
    ...{ check: 'signature', passed },
    sentence: sentenceOf({ current, candidate, details, passed, demanded }),
    figures: { breaking: breaking.length, harmless: harmless.length },
    details: details.slice(0, 100),
  };
}

interface Differences {
  readonly breaking: readonly string[];
  readonly harmless: readonly string[];
}

function ofColumns(current: Arm, candidate: Arm, features: FeaturePlan | null): Differences {
  const delivered = new Set(features?.views.flatMap((view) => view.features.map(({ name }) => name)) ?? []);
  const before = new Map(current.signature.inputs.map((input) => [input.name, input]));
  const after = new Map(candidate.signature.inputs.map((input) => [input.name, input]));
  const breaking: string[] = [];
  const harmless: string[] = [];
  for (const input of after.values()) {
    const known = before.get(input.name);
    if (known && known.kind !== input.kind) {
      breaking.push(`input '${input.name}' is ${kindOf(input)} and was ${kindOf(known)}`);
    } else if (!known && input.kind === 'numeric' && delivered.has(input.name)) {
      harmless.push(`input '${input.name}' is new, and a feature view delivers it`);
    } else if (!known)
      breaking.push(`input '${input.name}' (${kindOf(input)}) is new, and no feature view delivers it`);
  }
  for (const { name } of before.values()) if (!after.has(name)) harmless.push(`input '${name}' is no longer taken`);
  if (candidate.signature.output !== current.signature.output) {
    breaking.push(`it answers with a ${candidate.signature.output} and not with a ${current.signature.output}`);
  }
  const differences = [...breaking, ...harmless];
  const reordered = differences.length === 0 && [...before.keys()].join('\n') !== [...after.keys()].join('\n');
  if (reordered) harmless.push('its inputs stand in another order');
  return { breaking, harmless };
}

/** Requests are made for what the current revision takes; one that takes any size where that took one fits too. */
function ofTensors({ tensors: before }: Arm, { tensors: after }: Arm): Differences {
  if (!before || !after)
    return { breaking: [`it takes ${after ? 'tensors, not columns' : 'columns, not tensors'}`], harmless: [] };
  const breaking: string[] = [];
  const harmless: string[] = [];
  for (const input of after.inputs) {
    const known = before.inputs.find(({ name }) => name === input.name);
    const place = `input '${input.name}'`;
    if (!known) breaking.push(`${place} (${formOf(input)}) is new`);
    else if (formOf(known) === formOf(input)) continue;
    else if (takes(input, known)) harmless.push(`${place} is ${formOf(input)} and was ${formOf(known)}`);
    else breaking.push(`${place} is ${formOf(input)} and was ${formOf(known)}`);
  }
  for (const output of before.outputs) {
    const known = after.outputs.find(({ name }) => name === output.name);
    const place = `output '${output.name}'`;
    if (!known) breaking.push(`${place} is no longer answered`);
    else if (formOf(known) !== formOf(output)) breaking.push(`${place} is ${formOf(known)} and was ${formOf(output)}`);
  }
  const lost = before.inputs.filter(({ name }) => after.inputs.every((input) => input.name !== name));
  for (const { name } of lost) harmless.push(`input '${name}' is no longer taken`);
  const more = after.outputs.filter(({ name }) => before.outputs.every((output) => output.name !== name));
  for (const { name } of more) harmless.push(`output '${name}' is new`);
  return { breaking, harmless };
}

type TensorSpec = ArmTensors['inputs'][number];

const formOf = ({ datatype, shape }: TensorSpec): string => `${datatype} [${shape}]`;

/** Whether whatever has the one form has the other too. */
const takes = (input: TensorSpec, given: TensorSpec): boolean =>
  input.datatype === given.datatype &&
  input.shape.length === given.shape.length &&
  input.shape.every((size, i) => size === -1 || size === given.shape[i]);

const NAMED_MAX = 5;

function sentenceOf({
  current,
  candidate,
  details,
  passed,
  demanded,
}: {
  readonly current: Arm;
  readonly candidate: Arm;
  readonly details: readonly string[];
  readonly passed: boolean;
  readonly demanded: string;
}): string {
  if (details.length === 0) return `${candidate.revision} takes and answers what ${current.revision} does`;
  const more = details.length > NAMED_MAX ? ` and ${details.length - NAMED_MAX} more` : '';
  const named = `${details.slice(0, NAMED_MAX).join('; ')}${more}`;
  if (passed) return `${candidate.revision} differs from ${current.revision}: ${named}`;
  const word = demanded === 'same' ? 'the same signature as' : 'a signature that is compatible with';
  return `The endpoint demands ${word} ${current.revision}, and ${candidate.revision} differs: ${named}`;
}

const kindOf = ({ kind }: Input): string => (kind === 'numeric' ? 'a number' : 'a category');
