import { KedgeError } from '#core/errors';
import type { Features } from '#features';
import type { MonitoringDeps, Reference } from '#monitoring';
import type { Resources } from '#platform/resources';
import type { Registry } from '#registry';
import type { EndpointSpec } from '#serving';

/** What is not registered is not known; any other failure is one, and the window is evaluated again. */
async function known<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof KedgeError && error.status === 404) return undefined;
    throw error;
  }
}

/** Where monitoring gets what lies in other domains: signatures and references of revisions, features recomputed. */
export function monitoringSources(sources: {
  readonly registry: Registry;
  readonly features: Features;
  readonly resources: Resources;
}): Pick<MonitoringDeps, 'signatureOf' | 'profileOf' | 'recompute'> {
  const { registry, features, resources } = sources;
  const parse = (revision: string): [string, number] => {
    const at = revision.lastIndexOf('@');
    return [revision.slice(0, at), Number(revision.slice(at + 1))];
  };
  return {
    async signatureOf(revision) {
      const [model, version] = parse(revision);
      return (await known(registry.getVersion(model, version)))?.signature;
    },
    async profileOf(revision) {
      const [model, version] = parse(revision);
      const evidence = await known(registry.evidence(model, version, 'profile'));
      return evidence?.at(-1)?.data as Reference | undefined;
    },
    async recompute(endpoint, rows) {
      const { spec } = await resources.get('endpoint', endpoint);
      return features.recompute((spec as EndpointSpec).features?.views ?? [], rows);
    },
  };
}
