import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { SqlStore } from '#ports/sql';
import { openDataDir } from '../data-dir.ts';
import { openBlobs, openColumnar, openNotifier, openOnlineStore } from '../stores.ts';
import { type ComposedPlatform, compose } from './compose.ts';

/** All domains as the control plane connects them, over the given store and a directory of their own. */
export async function openComposed(
  sql: SqlStore,
): Promise<ComposedPlatform & { readonly blobs: BlobStore; close(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-composed-'));
  const dataDir = openDataDir(root);
  const config = loadConfig({ dataDir: root, logLevel: 'fatal' }, {});
  const role = 'control-plane';
  const [logger, metrics] = [createLogger(role, config.logLevel), createMetrics(role)];
  const [blobs, keyValue, { columnar, scratchDir }] = await Promise.all([
    openBlobs(config, dataDir),
    openOnlineStore(dataDir, 'write'),
    openColumnar(dataDir, role),
  ]);
  const base = { role, config, system: realSystem(), logger, metrics, dataDir };
  const composed = await compose(base, { sql, blobs, keyValue, columnar, scratchDir, notifier: openNotifier(config) });
  return {
    ...composed,
    blobs,
    async close() {
      await columnar.close();
      await keyValue.close();
      await sql.close();
      await rm(root, { recursive: true });
    },
  };
}
