import { type PipelineSpec, parseSource } from '#pipelines';
import { pipelineSpec } from '#pipelines/contract';
import type { TestCase } from './case.ts';

const PREFIX = 'input:';

/**
 * A pipeline that declares inputs as one that makes them itself: a step, the giver, stands for whoever gives them, its
 * outputs for what a case gives as `input:<name>`.
 */
export function withGivenInputs(
  spec: PipelineSpec,
  given: TestCase['given'],
): { readonly spec: PipelineSpec; readonly given: TestCase['given']; readonly giver: string | undefined } {
  if (spec.inputs === undefined) return { spec, given, giver: undefined };
  const { inputs: declared, ...rest } = spec;
  const giver = freeName(new Set(spec.steps.map(({ name }) => name)));
  const fixtures = Object.entries(given).map(([name, fixture]) => {
    const isInput = name.startsWith(PREFIX) && Object.hasOwn(declared, name.slice(PREFIX.length));
    return [isInput ? `${giver}.${name.slice(PREFIX.length)}` : name, fixture] as const;
  });
  const { steps: stand } = pipelineSpec.parse({
    steps: [{ name: giver, command: ['true'], outputs: Object.entries(declared).map(asOutput) }],
  });
  const steps = spec.steps.map((step) => ({ ...step, inputs: renamed(step.inputs, giver) }));
  return { spec: { ...rest, steps: [...stand, ...steps] }, given: Object.fromEntries(fixtures), giver };
}

function asOutput([name, { type }]: readonly [string, { readonly type: string }]): string {
  return type === 'directory' ? `${name}/` : name;
}

function renamed(inputs: Readonly<Record<string, string>>, giver: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, text]) => {
      const source = parseSource(text);
      return [name, source?.kind === 'input' ? `${giver}.${source.name}` : text];
    }),
  );
}

function freeName(taken: ReadonlySet<string>): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? 'input' : `input-${n}`;
    if (!taken.has(name)) return name;
  }
}
