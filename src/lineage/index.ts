import type { DomainDeps, DomainParts } from '#platform/domain';
import { routeGroup } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import type { Notifier } from '#ports/notifier';
import { type ConsumerDeps, lineageConsumer, versionConsumer } from './consumer.ts';
import { lineageContract } from './contract.ts';
import { lineageDelivery } from './delivery.ts';
import { lineageErrors } from './errors.ts';
import { lineageProtocol } from './protocol.ts';
import type { Identity } from './run-event.ts';
import { startsJob } from './starts.ts';
import { eventsAfter } from './store.ts';

export { openLineageRunId } from './identity.ts';
export { lineageMigrations } from './migrations.ts';

export interface LineageDeps extends DomainDeps, Pick<ConsumerDeps, 'pipelineRunOf'> {
  readonly blobs: BlobStore;
  /** Sends events; it may reach addresses inside, as the endpoint is for the operator to choose. */
  readonly notifier: Notifier;
  readonly identity: Identity;
  /** Base URL of an OpenLineage backend; empty sends nothing. */
  readonly endpoint: string;
  readonly token: string;
  /** Events that may wait for the endpoint before the oldest are given up; 100,000 unless told. */
  readonly waitingMax?: number;
}

/** Lineage: what runs read and wrote, told in OpenLineage's events. */
export function createLineage(deps: LineageDeps): { readonly parts: DomainParts } {
  const { reader } = deps.db;
  const delivery = lineageDelivery(deps);
  const telling = { ...deps, reader, pinned: new Map() };
  const routes = routeGroup(lineageContract, {
    async listRunLineage({ params, query }) {
      const after = query.after === undefined ? 0 : Number(query.after);
      if (!Number.isSafeInteger(after)) throw lineageErrors['invalid-page']('query.after: expected `next` of a page');
      const found = await eventsAfter(reader, { run: params.run, after, limit: query.limit + 1 });
      const page = found.slice(0, query.limit);
      const items = page.map(({ text }) => JSON.parse(text));
      return found.length > page.length ? { items, next: String(page.at(-1)?.position) } : { items };
    },
    getLineageDelivery: () => delivery.view(),
  });
  return {
    parts: {
      routes: [routes],
      protocols: [lineageProtocol(deps.db)],
      consumers: [lineageConsumer(telling), versionConsumer(telling)],
      jobs: [startsJob(deps.db, telling), ...delivery.jobs],
    },
  };
}
