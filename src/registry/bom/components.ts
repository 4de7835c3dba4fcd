import type { Json } from '#core/json';
import type { BomFacts, LicensesData, RunDataset } from './facts.ts';
import { pythonVersionIn } from './facts.ts';
import { type Licence, licenceOf, type SpdxLookup } from './licences.ts';
import { type Requirement, readRequirements } from './requirements.ts';

export type Property = { readonly name: string; readonly value: string };

/** A component of CycloneDX, as far as a model has such. */
export type Component = {
  readonly type: 'file' | 'library' | 'platform' | 'data';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly scope?: 'required';
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: 'SHA-256'; readonly content: string }[];
  readonly licenses?: readonly Licence[];
  readonly properties?: readonly Property[];
  readonly data?: Json;
};

const SOURCE_CHARS_MAX = 2_000;

/** The digest of content in the blob store, as CycloneDX writes hashes. */
export const sha256Of = (digest: string) => [{ alg: 'SHA-256', content: digest.replace('sha256:', '') }] as const;

export function fileComponents({ version }: BomFacts): Component[] {
  return version.artifacts.map(({ path, digest, bytes }) => ({
    type: 'file',
    'bom-ref': `file:${path}`,
    name: path,
    hashes: sha256Of(digest),
    properties: [{ name: 'kedge:bytes', value: String(bytes) }],
  }));
}

/** What the model needs to run, and whether that is known in full: only lock files say what packages need in turn. */
export function packageComponents(
  facts: BomFacts,
  licenses: LicensesData,
  spdxIdOf: SpdxLookup,
): { readonly components: Component[]; readonly aggregate: 'incomplete' | 'unknown'; readonly skipped: number } {
  const listed = facts.files['requirements.txt'];
  const python = pythonVersionIn(facts.files['python_env.yaml']);
  const licenceByName = new Map(licenses.packages.map((one) => [pypiName(one.name), one.license]));
  const requirements = readRequirements(listed ?? '');
  const packages = requirements.packages.map((requirement): Component => {
    const licence = licenceByName.get(requirement.name);
    return {
      ...packageOf(requirement),
      ...(licence === undefined ? {} : { licenses: [licenceOf(licence, spdxIdOf)] }),
    };
  });
  const runtime: Component[] =
    python === undefined
      ? []
      : [
          {
            type: 'platform',
            'bom-ref': `platform:python@${python}`,
            name: 'python',
            version: python,
            purl: `pkg:generic/python@${encodeURIComponent(python)}`,
          },
        ];
  const components = [...runtime, ...packages];
  return { components, aggregate: listed === undefined ? 'unknown' : 'incomplete', skipped: requirements.skipped };
}

function packageOf({ name, version, specifier, sha256 }: Requirement): Component {
  const purl = `pkg:pypi/${name}${version === null ? '' : `@${encodeURIComponent(version)}`}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    ...(version === null ? {} : { version }),
    scope: 'required',
    purl,
    ...(sha256.length > 0 ? { hashes: [...new Set(sha256)].map((content) => ({ alg: 'SHA-256', content })) } : {}),
    properties: [{ name: 'kedge:requirement', value: withoutCredentials(`${name}${specifier}`) }],
  };
}

/** The datasets that the run read, each once. */
export function datasetComponents(facts: BomFacts, licenses: LicensesData, spdxIdOf: SpdxLookup): readonly Component[] {
  const found = new Map<string, Component>();
  for (const dataset of facts.lineage?.datasets ?? []) {
    const ref = datasetRef(dataset);
    if (found.has(ref)) continue;
    const licence = licenses.datasets.find((one) => one.name === dataset.name)?.license;
    found.set(ref, {
      type: 'data',
      'bom-ref': ref,
      name: dataset.name || 'dataset',
      version: dataset.digest,
      // The digests that MLflow computes are no hash of any bytes, so only content of the blob store has a hash here.
      ...(/^sha256:[0-9a-f]{64}$/.test(dataset.digest) ? { hashes: sha256Of(dataset.digest) } : {}),
      ...(licence === undefined ? {} : { licenses: [licenceOf(licence, spdxIdOf)] }),
      data: [{ type: 'dataset', name: dataset.name, contents: { properties: datasetProperties(dataset) } }],
    });
  }
  return [...found.values()];
}

const datasetRef = ({ name, digest }: RunDataset): string => `dataset:${name}@${digest}`;

function datasetProperties({ digest, source, context }: RunDataset): Property[] {
  return [
    { name: 'kedge:digest', value: digest },
    ...(context ? [{ name: 'kedge:context', value: context }] : []),
    ...(source ? [{ name: 'kedge:source', value: withoutCredentials(source).slice(0, SOURCE_CHARS_MAX) }] : []),
  ];
}

/** A bill of materials leaves the house. The source of a dataset may hold the password of whoever read it. */
function withoutCredentials(source: string): string {
  return source.replace(/:\/\/[^/\s"'@]*@/g, '://').replace(/([?&][^=&\s"']*=)[^&\s"']*/g, '$1…');
}

const pypiName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');
