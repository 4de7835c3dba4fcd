import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLmdbKeyValue } from '#adapters/kv/lmdb';
import { openHttpNotifier } from '#adapters/notify/http';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { Columnar } from '#platform/columnar';
import type { Config } from '#platform/config';
import type { Logger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { KeyValue } from '#ports/key-value';
import type { Notifier } from '#ports/notifier';
import type { SharedState } from '#ports/shared-state';
import type { SqlStore } from '#ports/sql';
import type { DataDir } from './data-dir.ts';

/** Adapters are chosen here and nowhere else: everything above sees ports. */

export function openSql(config: Config, dataDir: Pick<DataDir, 'database'>): Promise<SqlStore> | SqlStore {
  return config.database
    ? openPostgres(config.database)
    : openSqlite(dataDir.database, { durable: config.databaseDurable });
}

/** With a bucket, the folder of the data directory holds the copies that this machine works on. */
export async function openBlobs(config: Config, dataDir: DataDir): Promise<BlobStore> {
  const local = await openFsBlobStore({ root: dataDir.blobs });
  if (config.blobs === '') return local;
  // Loaded only where it is used: it is as much code as everything else that a process loads at its start.
  const { openS3BlobStore } = await import('#adapters/blob/s3');
  return openS3BlobStore({ location: config.blobs, cache: local });
}

export function openOnlineStore(dataDir: DataDir, access: 'write' | 'read'): Promise<KeyValue> {
  return openLmdbKeyValue({ path: join(dataDir.online, 'features.lmdb'), readOnly: access === 'read' });
}

/** An engine for columnar queries over the blob store. `name` keeps the scratch files of processes apart. */
export function openColumnar(dataDir: DataDir, name: string): Promise<{ columnar: Columnar; scratchDir: string }> {
  const scratchDir = join(dataDir.scratch, name);
  return Columnar.open({ directories: [dataDir.blobs], scratchDir }).then((columnar) => ({ columnar, scratchDir }));
}

/** What gateways share; `undefined` where each is on its own. */
export async function openShared({ redis: url }: Config, logger: Logger): Promise<SharedState | undefined> {
  if (url === '') return undefined;
  const { openRedis } = await import('#adapters/state/redis');
  const onLost = (why: string): void => logger.warn(`Redis cannot be reached, and gateways do without: ${why}`);
  return openRedis({ url, onLost });
}

/** For addresses that the configuration names, which are whoever runs the installation's to choose. */
export function openInsideNotifier(): Notifier {
  return openHttpNotifier({ insideToo: true });
}

export function openNotifier(config: Config): Notifier {
  return openHttpNotifier({ insideToo: config.notifyInside });
}
