import type { DomainParts } from '#platform/domain';
import { routeGroup } from '#platform/http';
import { modelKey } from '../model.ts';
import { bomContract } from './contract.ts';
import { type BomDeps, BomService } from './service.ts';

export type { RunDataset, RunLineage } from './facts.ts';
export { bomProblems } from './validate.ts';

export type Bom = BomService & { readonly parts: DomainParts };

/** Bills of materials: what a version is made of, for whoever has to answer for it. */
export function createBom(deps: BomDeps): Bom {
  const service = new BomService(deps);
  const routes = routeGroup(bomContract, {
    exportBom: ({ params }, ctx) =>
      service.export({ model: modelKey(ctx.project, params.model), version: params.version }),
  });
  const parts: DomainParts = { routes: [routes], consumers: [], jobs: [] };
  return Object.assign(service, { parts });
}
