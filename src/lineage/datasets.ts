import { type Artifact, parseReference, type RunFacts, type StepFacts } from '#pipelines';
import type { FacetMaker, Facets, LineageDataset } from './spec.ts';

/** What the manifest of a pinned dataset says of it, as far as lineage tells it. */
export interface PinnedDataset {
  readonly commit: number;
  readonly rows: number;
  readonly files: number;
  readonly columns: Readonly<Record<string, string>>;
}

export interface DatasetContext {
  readonly namespace: string;
  readonly make: FacetMaker;
  /** What is known of pinned datasets, by the digest of their manifest. */
  readonly pinned: ReadonlyMap<string, PinnedDataset>;
}

/** The inputs of a step: outputs of others, and what the pipeline refers to outside. */
export function inputsOf({ run }: RunFacts, step: StepFacts, context: DatasetContext): LineageDataset[] {
  return Object.entries(step.inputs).map(([input, artifact]) => {
    const name = nameOf(run, step.definition.inputs[input] ?? input);
    const reference = referenceIn(name);
    if (reference) return outside(reference, artifact, context);
    const dataset = ofRun(name, artifact, context);
    return { ...dataset, inputFacets: { inputStatistics: statistics('Input', artifact, context) } };
  });
}

/**
 * What an input is called: `<pipeline>/<step>.<output>`, or a reference. What a run was given is called as it is where
 * it comes from, so that edges lead from run to run.
 */
function nameOf({ pipeline, inputs }: RunFacts['run'], text: string): string {
  const reference = parseReference(text);
  if (reference?.kind === 'input') return inputs[reference.name]?.from ?? `${pipeline}/${text}`;
  return reference && reference.kind !== 'result' ? text : `${pipeline}/${text}`;
}

/** Names of pipelines have no colon, and kinds of references no slash. */
function referenceIn(name: string): ReturnType<typeof parseReference> {
  return /^[^:/]+:/.test(name) ? parseReference(name) : undefined;
}

/** The dataset that an input stands for, if it is one outside. */
export function datasetRead({ run }: RunFacts, step: StepFacts, input: string): string | undefined {
  const reference = referenceIn(nameOf(run, step.definition.inputs[input] ?? ''));
  return reference?.kind === 'dataset' ? reference.name : undefined;
}

/** What a step wrote, with the digests of what it wrote. */
export function outputsOf({ run }: RunFacts, step: StepFacts, context: DatasetContext): LineageDataset[] {
  const { pipeline, map } = step.definition;
  return Object.entries(step.outputs).map(([output, artifact]) => {
    const dataset = ofRun(`${run.pipeline}/${step.step}.${output}`, artifact, context);
    // What a step has of the run that it is was written there, under the name that it has there.
    const inside = pipeline && !map ? insideOf(`${pipeline.name}/${output}`, context) : {};
    const outputFacets = { outputStatistics: statistics('Output', artifact, context) };
    return { ...dataset, facets: { ...dataset.facets, ...inside }, outputFacets };
  });
}

function insideOf(name: string, { namespace, make }: DatasetContext): Facets {
  return { symlinks: make.published('SymlinksDatasetFacet', { identifiers: [{ namespace, name, type: 'FILE' }] }) };
}

function ofRun(name: string, artifact: Artifact, { namespace, make }: DatasetContext): LineageDataset {
  const facets = {
    ...contentFacets(artifact, make),
    datasetType: make.published('DatasetTypeDatasetFacet', { datasetType: 'FILE' }),
    storage: make.published('StorageDatasetFacet', { storageLayer: 'kedge' }),
  };
  return { namespace, name, facets };
}

function statistics(side: 'Input' | 'Output', { bytes, manifest, directory }: Artifact, { make }: DatasetContext) {
  const file = { size: directory?.bytes ?? bytes, fileCount: directory?.files ?? 1 };
  // The length of a list of files is not the length of the files.
  const body = manifest ? {} : file;
  return side === 'Input'
    ? make.published('InputStatisticsInputDatasetFacet', body)
    : make.published('OutputStatisticsOutputDatasetFacet', body);
}

/** A dataset or a feature view, pinned when the run was started. */
function outside(
  { kind, name }: { readonly kind: string; readonly name: string },
  artifact: Artifact,
  { namespace, make, pinned }: DatasetContext,
): LineageDataset {
  const known = kind === 'dataset' ? pinned.get(artifact.digest) : undefined;
  const facets: Facets = {
    ...contentFacets(artifact, make, known?.commit),
    datasetType: make.published('DatasetTypeDatasetFacet', { datasetType: kind === 'dataset' ? 'TABLE' : 'VIEW' }),
  };
  if (!known) return { namespace, name: `${kind}/${name}`, facets };
  const fields = Object.entries(known.columns).map(([column, type], i) => ({
    ...{ name: column, type, ordinal_position: i + 1 },
  }));
  const counts = { rowCount: known.rows, fileCount: known.files };
  return {
    namespace,
    name: `${kind}/${name}`,
    facets: {
      ...facets,
      schema: make.published('SchemaDatasetFacet', { fields }),
      storage: make.published('StorageDatasetFacet', { storageLayer: 'kedge', fileFormat: 'parquet' }),
    },
    inputFacets: {
      // Nothing is measured of single columns here, and the facet wants to hear so.
      dataQualityMetrics: make.published('DataQualityMetricsInputDatasetFacet', { ...counts, columnMetrics: {} }),
      inputStatistics: make.published('InputStatisticsInputDatasetFacet', counts),
    },
  };
}

function contentFacets({ digest, bytes, manifest, directory }: Artifact, make: FacetMaker, commit?: number): Facets {
  return {
    version: make.published('DatasetVersionDatasetFacet', { datasetVersion: digest }),
    kedge_content: make.own('KedgeContentDatasetFacet', {
      ...{ digest, bytes, list: manifest === true || directory !== undefined },
      ...(commit === undefined ? {} : { commit }),
    }),
  };
}
