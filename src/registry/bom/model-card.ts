import type { Json } from '#core/json';
import type { BomFacts, ModelCardData } from './facts.ts';

interface Finding {
  readonly card: ModelCardData;
  readonly metrics: readonly (readonly [string, number])[];
  readonly slice: string | undefined;
}

/** The model card of CycloneDX: parameters of the version, figures of its evaluation, considerations of people. */
export function modelCardOf({ version }: BomFacts, finding: Finding, datasetRefs: readonly string[]) {
  const { card, metrics, slice } = finding;
  const inputs = version.signature.inputs.map(({ name, kind }) => ({ name, type: kind }));
  const output = inputs.length > 0 ? version.signature.output : undefined;
  const outputs = output === undefined ? [] : [{ name: output, type: 'numeric' }];
  const columns = version.schema ?? { inputs, outputs };
  return {
    modelParameters: {
      ...(card.approach ? { approach: { type: card.approach } } : {}),
      ...withText('task', card.task ?? taskOf(output)),
      ...withText('architectureFamily', card.architectureFamily),
      ...withText('modelArchitecture', card.modelArchitecture),
      ...(datasetRefs.length > 0 ? { datasets: datasetRefs.map((ref) => ({ ref })) } : {}),
      inputs: columns.inputs.map(formatOf),
      outputs: columns.outputs.map(formatOf),
    },
    ...(metrics.length > 0
      ? {
          quantitativeAnalysis: {
            performanceMetrics: metrics.map(([type, value]) => ({
              type,
              value: String(value),
              ...(slice === undefined ? {} : { slice }),
            })),
          },
        }
      : {}),
    ...considerationsOf(card),
  };
}

function considerationsOf(card: ModelCardData): { readonly considerations?: Json } {
  const { users, useCases, technicalLimitations, performanceTradeoffs, ethicalConsiderations, fairnessAssessments } =
    card;
  const given = Object.entries({
    users,
    useCases,
    technicalLimitations,
    performanceTradeoffs,
    ethicalConsiderations,
    fairnessAssessments,
  }).filter(([, value]) => value !== undefined);
  return given.length > 0 ? { considerations: Object.fromEntries(given) as Json } : {};
}

/** A model that puts out a probability tells classes apart; any other number may be anything. */
function taskOf(output: string | undefined): string | undefined {
  return output === 'probability' ? 'classification' : undefined;
}

function withText(name: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [name]: value };
}

function formatOf({ name, type }: { readonly name: string; readonly type: string }) {
  return { format: `${name}: ${type}` };
}
