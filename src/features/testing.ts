import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLmdbKeyValue } from '#adapters/kv/lmdb';
import { createDatasets, datasetKinds } from '#datasets';
import { Columnar } from '#platform/columnar';
import type { Upload } from '#platform/contract';
import type { Context } from '#platform/db';
import { eventsAfter, type PlatformEvent } from '#platform/events';
import type { ResourceDraft } from '#platform/resources';
import type { OpenDatabase } from '#testing/databases';
import { createFeatures, featureKinds } from './index.ts';
import { FeatureService } from './service.ts';

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'dataset.commit' };

/** Datasets and features over real stores in a temporary directory; events are delivered by the test. */
export async function openFeatures(t: TestContext, open: OpenDatabase, { readable = [] as readonly string[] } = {}) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-features-'));
  const database = await open({ kinds: [...datasetKinds, ...featureKinds] });
  const blobs = await openFsBlobStore({ root: join(root, 'blobs') });
  const scratchDir = join(root, 'scratch');
  const columnar = await Columnar.open({ directories: [join(root, 'blobs'), ...readable], scratchDir });
  const keyValue = await openLmdbKeyValue({ path: join(root, 'online.lmdb') });
  const datasets = createDatasets({ ...database.deps, blobs, columnar, scratchDir });
  const deps = { ...database.deps, datasets, blobs, columnar, keyValue };
  const features = createFeatures(deps);
  const [consumer] = features.parts.consumers;
  const close = async (): Promise<void> => {
    await columnar.close();
    await keyValue.close();
    await database.close();
    await rm(root, { recursive: true });
  };
  t.after(close);
  let delivered = 0;
  return {
    ...database,
    blobs,
    columnar,
    keyValue,
    scratchDir,
    datasets,
    features,
    service: new FeatureService(deps),
    apply: (drafts: readonly ResourceDraft[]) =>
      database.resources.apply({ ...context, action: 'resource.apply' }, drafts),
    commit: (dataset: string, batch: string, upload: Upload) => datasets.commit(context, { dataset, batch }, upload),
    release: (dataset: string, batch: string, knownAt: number) =>
      datasets.release({ ...context, action: 'dataset.release' }, { dataset, batch }, knownAt),
    /** Events that were committed since the last call. */
    async events(): Promise<PlatformEvent[]> {
      const events = await eventsAfter(database.db.reader, delivered, 10_000);
      delivered = events.at(-1)?.seq ?? delivered;
      return events;
    },
    /** Gives events to the materializer, as the relay does. */
    async deliver(events: readonly PlatformEvent[]): Promise<void> {
      for (const event of events) if (consumer?.types.includes(event.type)) await consumer.effect?.(event);
    },
    /** The segments of a dataset as local files. */
    async segments(dataset: string) {
      const { segments } = await datasets.snapshot(dataset);
      return Promise.all(segments.map(async (each) => ({ ...each, path: await blobs.localPath(each.digest) })));
    },
  };
}

export type OpenedFeatures = Awaited<ReturnType<typeof openFeatures>>;

export function ndjson(rows: readonly Readonly<Record<string, unknown>>[]): Upload {
  const text = rows.map((row) => JSON.stringify(row)).join('\n');
  return { contentType: 'application/x-ndjson', bytes: bytesOf(Buffer.from(text)) };
}

export async function* bytesOf(content: Uint8Array): AsyncIterable<Uint8Array> {
  yield content;
}
