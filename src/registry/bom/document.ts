import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#core/json';
import { partsOfKey } from '../model.ts';
import { datasetComponents, fileComponents, type Property, packageComponents, sha256Of } from './components.ts';
import { type BomFacts, findingsOf, flavoursIn, type RunLineage } from './facts.ts';
import { licenceOf, type SpdxLookup } from './licences.ts';
import { modelCardOf } from './model-card.ts';

const MODEL_REF = 'model';
/** The namespace of URLs for names of RFC 4122, appendix C. */
const URL_NAMESPACE = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex');
const PARAMETERS_MAX = 1_000;

/**
 * The bill of materials of a version: CycloneDX 1.7 as JSON. The same facts give the same document, its serial number
 * and time included, so it can be signed and compared.
 */
export function bomOf(facts: BomFacts, spdxIdOf: SpdxLookup): Json {
  const { version, evidence, lineage } = facts;
  const found = findingsOf(evidence);
  const packages = packageComponents(facts, found.licenses, spdxIdOf);
  const datasets = datasetComponents(facts, found.licenses, spdxIdOf);
  const datasetRefs = datasets.map((one) => one['bom-ref']);
  const { project, name } = partsOfKey(version.model);
  const licence = found.licenses.model ?? found.card.license ?? version.tags['license'];
  const model = {
    type: 'machine-learning-model',
    'bom-ref': MODEL_REF,
    name,
    version: String(version.version),
    ...(version.description === '' ? {} : { description: version.description }),
    ...(version.modelFile.path !== '' ? { hashes: sha256Of(version.modelFile.digest) } : {}),
    ...(licence === undefined || licence === '' ? {} : { licenses: [licenceOf(licence, spdxIdOf)] }),
    externalReferences: referencesOf(facts),
    components: fileComponents(facts),
    modelCard: modelCardOf(facts, found, datasetRefs),
    properties: propertiesOf(facts, { project, unread: found.unread, skipped: packages.skipped }),
  };
  const components = [...packages.components, ...datasets];
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.7.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.7',
    version: 1,
    metadata: {
      timestamp: new Date(Math.max(version.createdAt, ...evidence.map((one) => one.at))).toISOString(),
      tools: { components: [{ type: 'application', name: 'kedge' }] },
      component: model,
    },
    components,
    dependencies: [
      { ref: MODEL_REF, dependsOn: packages.components.map((one) => one['bom-ref']) },
      ...components.map((one) => ({ ref: one['bom-ref'] })),
    ],
    compositions: [
      { aggregate: 'complete', assemblies: [MODEL_REF] },
      { aggregate: packages.aggregate, dependencies: [MODEL_REF] },
    ],
    ...(lineage ? { formulation: [{ workflows: [workflowOf(lineage, datasetRefs)] }] } : {}),
  };
  return { ...document, serialNumber: `urn:uuid:${nameBasedUuid(canonicalJson(document))}` };
}

function propertiesOf(
  { version, files }: BomFacts,
  {
    project,
    unread,
    skipped,
  }: { readonly project: string; readonly unread: readonly string[]; readonly skipped: number },
): Property[] {
  const semantic = version.semanticVersion === '' ? [] : [['kedge:semantic-version', version.semanticVersion] as const];
  const facts = [
    ['kedge:project', project] as const,
    ['kedge:version-digest', version.digest] as const,
    ...semantic,
    ['kedge:registered-by', version.createdBy] as const,
    ...(version.runId === null ? [] : [['kedge:run', version.runId] as const]),
    ['kedge:cause', `${version.cause.kind}:${version.cause.id}`] as const,
    ...flavoursIn(files.MLmodel).map(({ name, version: of }) => [`mlflow:flavor:${name}`, of] as const),
    ...(skipped > 0 ? [['kedge:requirements-not-read', String(skipped)] as const] : []),
    // Evidence that could not be read is named, so that nobody takes the card for all that is known.
    ...unread.map((id) => ['kedge:unreadable-evidence', id] as const),
  ];
  return facts.map(([name, value]) => ({ name, value }));
}

/** Signatures and other evidence, where they are on the server that exported this. */
function referencesOf({ version, evidence }: BomFacts) {
  const { name } = partsOfKey(version.model);
  const at = `/api/v1/models/${encodeURIComponent(name)}/versions/${version.version}`;
  return evidence.map((one) => {
    const digest = one.kind === 'signature' ? bundleDigestOf(one.data) : undefined;
    if (digest !== undefined) {
      const url = `/api/v1/blobs/${digest}`;
      return { type: 'digital-signature', url, comment: 'OpenSSF Model Signing', hashes: sha256Of(digest) };
    }
    const verdict = one.passed === null ? '' : one.passed ? ', passed' : ', failed';
    return {
      type: 'evidence',
      url: `${at}/evidence?kind=${encodeURIComponent(one.kind)}#${encodeURIComponent(one.id)}`,
      comment: `${one.kind}${verdict}`,
      hashes: sha256Of(one.digest),
    };
  });
}

function bundleDigestOf(data: unknown): string | undefined {
  const { bundle } = (data ?? {}) as { bundle?: { digest?: unknown } };
  const digest = bundle?.digest;
  return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

/** The run that made the version: what it read, with which parameters, and that the model came out of it. */
function workflowOf(lineage: RunLineage, datasetRefs: readonly string[]) {
  const parameters = Object.entries(lineage.params)
    .slice(0, PARAMETERS_MAX)
    .map(([name, value]) => ({ name, value }));
  const time = (at: number | null, name: string) => (at === null ? {} : { [name]: new Date(at).toISOString() });
  return {
    'bom-ref': `run:${lineage.run}`,
    uid: lineage.run,
    ...(lineage.name === '' ? {} : { name: lineage.name }),
    taskTypes: ['build'],
    inputs: [...datasetRefs.map((ref) => ({ resource: { ref } })), ...(parameters.length > 0 ? [{ parameters }] : [])],
    outputs: [{ type: 'artifact', resource: { ref: MODEL_REF } }],
    ...time(lineage.startedAt, 'timeStart'),
    ...time(lineage.endedAt, 'timeEnd'),
  };
}

/** RFC 4122 version 5: SHA-1 over a namespace and a name. */
function nameBasedUuid(name: string): string {
  const bytes = createHash('sha1').update(URL_NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
