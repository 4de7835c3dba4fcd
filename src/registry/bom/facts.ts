import { parse } from 'yaml';
import { z } from 'zod';
import type { Evidence, ModelVersion } from '../shapes.ts';

const text = z.string().min(1).max(10_000);
const texts = z.array(text).max(200).optional();

/** The data of evidence of kind `model-card`: what only people can say of a model. */
export const modelCardData = z.object({
  license: text.optional(),
  approach: z
    .enum(['supervised', 'unsupervised', 'reinforcement-learning', 'semi-supervised', 'self-supervised'])
    .optional(),
  task: text.optional(),
  architectureFamily: text.optional(),
  modelArchitecture: text.optional(),
  users: texts,
  useCases: texts,
  technicalLimitations: texts,
  performanceTradeoffs: texts,
  ethicalConsiderations: z
    .array(z.object({ name: text, mitigationStrategy: text.optional() }))
    .max(200)
    .optional(),
  fairnessAssessments: z
    .array(
      z.object({
        groupAtRisk: text.optional(),
        benefits: text.optional(),
        harms: text.optional(),
        mitigationStrategy: text.optional(),
      }),
    )
    .max(200)
    .optional(),
});
export type ModelCardData = z.output<typeof modelCardData>;

/** The data of evidence of kind `licenses`: of the model, of what it needs, and of what it was trained on. */
export const licensesData = z.object({
  model: text.optional(),
  packages: z
    .array(z.object({ name: text, license: text }))
    .max(5_000)
    .default([]),
  datasets: z
    .array(z.object({ name: text, license: text }))
    .max(1_000)
    .default([]),
});
export type LicensesData = z.output<typeof licensesData>;

const evaluationData = z.object({ metrics: z.record(z.string(), z.unknown()), slice: text.optional() });

/** A dataset that a run read. */
export interface RunDataset {
  readonly name: string;
  readonly digest: string;
  readonly source: string | null;
  /** What it was used for, such as `training`. */
  readonly context: string | null;
}

/** Where a version comes from: the run that made it. */
export interface RunLineage {
  readonly run: string;
  readonly name: string;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly params: Readonly<Record<string, string>>;
  readonly datasets: readonly RunDataset[];
}

/** Everything that a bill of materials is made from. */
export interface BomFacts {
  readonly version: ModelVersion;
  readonly evidence: readonly Evidence[];
  readonly lineage: RunLineage | undefined;
  /** Texts of the files of the version that tell what it needs; undefined for those that are not there or too large. */
  readonly files: Readonly<Record<'requirements.txt' | 'MLmodel' | 'python_env.yaml', string | undefined>>;
}

/** The newest evidence of a kind that can be read, and the ids of what is newer and cannot. */
function newestOf<Data>(
  evidence: readonly Evidence[],
  kind: string,
  schema: z.ZodType<Data>,
): { readonly data: Data | undefined; readonly unread: readonly string[] } {
  const unread: string[] = [];
  for (const one of evidence.filter((each) => each.kind === kind).reverse()) {
    const parsed = schema.safeParse(one.data);
    if (parsed.success) return { data: parsed.data, unread };
    unread.push(one.id);
  }
  return { data: undefined, unread };
}

/** What evidence says that belongs into a bill of materials. */
export function findingsOf(evidence: readonly Evidence[]) {
  const card = newestOf(evidence, 'model-card', modelCardData);
  const licenses = newestOf(evidence, 'licenses', licensesData);
  const evaluation = newestOf(evidence, 'evaluation', evaluationData);
  const metrics = Object.entries(evaluation.data?.metrics ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  return {
    card: card.data ?? {},
    licenses: licenses.data ?? { packages: [], datasets: [] },
    metrics,
    slice: evaluation.data?.slice,
    unread: [...card.unread, ...licenses.unread],
  };
}

/** The flavours of an MLflow model with their versions, such as `sklearn` and `1.9.1`. */
export function flavoursIn(
  mlmodel: string | undefined,
): readonly { readonly name: string; readonly version: string }[] {
  const flavors = memberOf(yamlOf(mlmodel), 'flavors');
  if (flavors === null || typeof flavors !== 'object') return [];
  return Object.entries(flavors)
    .slice(0, 50)
    .map(([name, options]) => {
      const version = memberOf(options, `${name}_version`);
      return { name, version: typeof version === 'string' ? version : '' };
    });
}

/** The version of Python that the model was made with. */
export function pythonVersionIn(environment: string | undefined): string | undefined {
  const version = memberOf(yamlOf(environment), 'python');
  return typeof version === 'string' && /^\d[\w.+-]{0,50}$/.test(version) ? version : undefined;
}

function yamlOf(source: string | undefined): unknown {
  try {
    return source === undefined ? undefined : parse(source, { maxAliasCount: 100 });
  } catch {
    // The file belongs to whoever logged the model. What cannot be read is left out.
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
