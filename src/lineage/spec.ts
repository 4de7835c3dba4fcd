import type { Json } from '#core/json';

/** The versions of OpenLineage's schemas that the events are written to. */
const SPEC = 'https://openlineage.io/spec';
export const RUN_EVENT_SCHEMA = `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`;

const FACETS = {
  NominalTimeRunFacet: '1-0-1',
  ParentRunFacet: '1-2-0',
  JobDependenciesRunFacet: '1-0-1',
  ErrorMessageRunFacet: '1-0-1',
  ProcessingEngineRunFacet: '1-1-1',
  ExecutionParametersRunFacet: '1-0-0',
  JobTypeJobFacet: '2-0-4',
  SourceCodeLocationJobFacet: '1-1-0',
  DatasetVersionDatasetFacet: '1-0-1',
  SchemaDatasetFacet: '1-2-0',
  StorageDatasetFacet: '1-0-1',
  DatasetTypeDatasetFacet: '1-0-1',
  SymlinksDatasetFacet: '1-0-1',
  DataQualityMetricsInputDatasetFacet: '1-0-3',
  InputStatisticsInputDatasetFacet: '1-0-0',
  OutputStatisticsOutputDatasetFacet: '1-0-2',
} as const;

/** Facets that are Kedge's own, with their schemas in docs/reference/openlineage-facets.json. */
type OwnFacet = 'KedgeRunFacet' | 'KedgeEnvironmentRunFacet' | 'KedgeContentDatasetFacet' | 'KedgeGraphJobFacet';

export type Facet = { readonly [name: string]: Json };
export type Facets = { readonly [name: string]: Facet };

/** Makes facets that carry who says so and which schema they follow, as every facet must. */
export function facetsBy(producer: string) {
  return {
    published: (name: keyof typeof FACETS, body: Facet): Facet => ({
      _producer: producer,
      _schemaURL: `${SPEC}/facets/${FACETS[name]}/${name}.json#/$defs/${name}`,
      ...body,
    }),
    own: (name: OwnFacet, body: Facet): Facet => ({
      _producer: producer,
      _schemaURL: `urn:kedge:openlineage-facets:1#/$defs/${name}`,
      ...body,
    }),
  };
}
export type FacetMaker = ReturnType<typeof facetsBy>;

/** A run event of OpenLineage 2-0-2. */
export interface RunEvent {
  readonly eventType: 'START' | 'RUNNING' | 'COMPLETE' | 'FAIL' | 'ABORT' | 'OTHER';
  /** ISO 8601 with milliseconds, in UTC. */
  readonly eventTime: string;
  readonly producer: string;
  readonly schemaURL: string;
  readonly run: { readonly runId: string; readonly facets: Facets };
  readonly job: { readonly namespace: string; readonly name: string; readonly facets: Facets };
  readonly inputs: readonly LineageDataset[];
  readonly outputs: readonly LineageDataset[];
}

export interface LineageDataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets: Facets;
  readonly inputFacets?: Facets;
  readonly outputFacets?: Facets;
}
