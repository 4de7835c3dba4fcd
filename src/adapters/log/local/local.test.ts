import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventLogConformance, type OpenEventLog } from '#conformance/event-log';
import { type LocalLogOptions, openLocalLog } from './index.ts';

async function openTemporary(options: Omit<LocalLogOptions, 'folder'>): Promise<OpenEventLog> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-log-'));
  let log = await openLocalLog({ folder, ...options });
  const reopen = async (): Promise<typeof log> => {
    await log.close();
    log = await openLocalLog({ folder, ...options });
    return log;
  };
  const close = async (): Promise<void> => {
    await log.close();
    await rm(folder, { recursive: true });
  };
  return { log, reopen, close };
}

eventLogConformance('local', () => openTemporary({}));
eventLogConformance('local with segments of 1 KiB', () => openTemporary({ segmentBytes: 1_024 }));
eventLogConformance('local with a segment an append', () => openTemporary({ segmentBytes: 1 }));
eventLogConformance('local with fsync always', () => openTemporary({ fsync: 'always', segmentBytes: 4_096 }));
