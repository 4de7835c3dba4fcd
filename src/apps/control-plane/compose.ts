import { join } from 'node:path';
import { automationKinds, automationMigrations, createAutomation } from '#automation';
import { createDatasets, datasetKinds, datasetMigrations } from '#datasets';
import { createFeatures, featureKinds } from '#features';
import { createGovernance, governanceKinds, governanceMigrations } from '#governance';
import { createLineage, lineageMigrations } from '#lineage';
import { createMonitoring, monitoringKinds, monitoringMigrations } from '#monitoring';
import { createPipelines, pipelineKinds, pipelineMigrations } from '#pipelines';
import { accountMigrations } from '#platform/accounts';
import { auditMigrations, createAudit, LOG_KEY_FILE, openLogKey } from '#platform/audit';
import type { Columnar } from '#platform/columnar';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import type { DomainParts } from '#platform/domain';
import { Resources } from '#platform/resources';
import type { BlobStore } from '#ports/blob-store';
import type { KeyValue } from '#ports/key-value';
import type { Notifier } from '#ports/notifier';
import type { SqlStore } from '#ports/sql';
import {
  createRegistry,
  type Registry,
  registeredFiles,
  registryMigrations,
  trackedSources,
  withVersionFiles,
} from '#registry';
import { createBom } from '#registry/bom';
import { createSigning, signingMigrations } from '#registry/signing';
import { createServing, type Serving, servingKinds, servingMigrations } from '#serving';
import { createTracking, trackingMigrations } from '#tracking';
import type { ProcessBase } from '../process.ts';
import { openInsideNotifier } from '../stores.ts';
import { lineageSettings } from './lineage-settings.ts';
import { monitoringSources } from './monitoring-sources.ts';
import { pinsOf } from './pins.ts';
import { pipelineContent } from './pipeline-content.ts';
import { pipelineRunOfVersion, runLineage } from './run-lineage.ts';

export interface Stores {
  readonly sql: SqlStore;
  readonly blobs: BlobStore;
  readonly keyValue: KeyValue;
  readonly columnar: Columnar;
  readonly notifier: Notifier;
  readonly scratchDir: string;
}

export interface ComposedPlatform {
  readonly db: Database;
  readonly resources: Resources;
  readonly parts: readonly DomainParts[];
  /** Pipeline runs that have not ended, as far as a thousand of each status. */
  activeRuns(): Promise<number>;
}

const ACTIVE = ['queued', 'running', 'cancelling'] as const;

const MIGRATIONS = [
  ...platformMigrations,
  ...accountMigrations,
  ...auditMigrations,
  ...datasetMigrations,
  ...trackingMigrations,
  ...registryMigrations,
  ...signingMigrations,
  ...pipelineMigrations,
  ...lineageMigrations,
  ...servingMigrations,
  ...monitoringMigrations,
  ...automationMigrations,
  ...governanceMigrations,
];

const KINDS = [
  ...datasetKinds,
  ...featureKinds,
  ...pipelineKinds,
  ...servingKinds,
  ...monitoringKinds,
  ...automationKinds,
  ...governanceKinds,
];

/** Brings the schema up to date and connects the domains: who may call whom is decided here and nowhere else. */
export async function compose(base: ProcessBase, stores: Stores): Promise<ComposedPlatform> {
  await applyMigrations(stores.sql, MIGRATIONS);
  const db = new Database(stores.sql, base.system);
  const resources = new Resources(db, KINDS);
  const deps = { ...stores, db, resources, system: base.system, logger: base.logger, metrics: base.metrics };

  const governance = createGovernance(deps);
  const datasets = createDatasets(deps);
  const features = createFeatures({ ...deps, datasets });
  const tracking = createTracking({ ...deps, artifactRoot: base.config.artifactRoot, lock: registeredFiles });
  await tracking.placeDefaultExperiment();
  // Asked for only once everything is connected.
  const sources = { ...trackedSources(tracking), pipelineRun: pipelineContent(() => pipelines, stores.blobs) };
  const registry = createRegistry({ ...deps, gate: governance.gate, sources });
  const pipelines = createPipelines({ ...deps, pins: pinsOf({ ...deps, datasets }), leaseMs: base.config.leaseMs });
  const pipelineRunOf = pipelineRunOfVersion(tracking);
  const notifier = openInsideNotifier();
  const lineage = createLineage({ ...deps, notifier, pipelineRunOf, ...lineageSettings(base.config) });
  const serving = createServing({
    ...{ ...deps, gate: governance.gate, versions: registry, features, blobs: stores.blobs },
    recorded: (endpoint, revision, limit) => monitoring.readings.newestRequests(endpoint, revision, limit),
  });
  const monitoring = createMonitoring({ ...deps, ...monitoringSources({ registry, features, resources }) });
  const automation = createAutomation({ ...deps, runs: pipelines, lastPromotion: lastPromotion(serving, registry) });

  const audit = createAudit({ db, signer: openLogKey(join(base.dataDir.root, LOG_KEY_FILE)) });
  const signing = createSigning(deps);
  const bom = createBom({ ...deps, lineageOf: runLineage({ db, tracking, pipelines }) });

  const supplyChain = [signing, bom];
  const tracked = { parts: withFilesOfVersions(tracking.parts, { service: registry, blobs: stores.blobs }) };
  const domains = [
    datasets,
    features,
    tracked,
    registry,
    pipelines,
    lineage,
    serving,
    monitoring,
    automation,
    governance,
  ];
  return {
    db,
    resources,
    parts: [...domains, ...supplyChain, audit].map((domain) => domain.parts),
    async activeRuns() {
      const pages = ACTIVE.map((status) => pipelines.runs({ status, limit: 1_000 }));
      return (await Promise.all(pages)).reduce((sum, page) => sum + page.items.length, 0);
    },
  };
}

/** MLflow's artifact proxy serves the files of registered versions too. */
function withFilesOfVersions(parts: DomainParts, files: Parameters<typeof withVersionFiles>[1]): DomainParts {
  return { ...parts, protocols: (parts.protocols ?? []).map((group) => withVersionFiles(group, files)) };
}

/** When the current revision of an endpoint won its rollout, in event time, and why that version was made. */
function lastPromotion(serving: Serving, registry: Registry): Parameters<typeof createAutomation>[0]['lastPromotion'] {
  return async (tx, endpoint) => {
    const promoted = await serving.lastPromotion(tx, endpoint);
    if (!promoted) return undefined;
    const { cause } = await registry.getVersion(promoted.model, promoted.version, tx.db);
    return { at: promoted.at, cause };
  };
}
