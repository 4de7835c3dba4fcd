import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const KEDGE = fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url));

/** The chain of a closed data directory is whole; with one byte of one row changed it is not, and the row is named. */
export async function assertChainHolds(dataDir: string, seed: number): Promise<void> {
  const whole = await auditVerify(dataDir);
  assert.equal(whole.code, 0, whole.out);

  const seq = 1 + (seed % entriesOf(dataDir));
  changeOneByte(dataDir, seq);
  const altered = await auditVerify(dataDir);
  assert.equal(altered.code, 1);
  assert.match(altered.out, new RegExp(`BROKEN at entry ${seq}: entry ${seq} does not match its hash`));
}

function entriesOf(dataDir: string): number {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'), { readOnly: true });
  try {
    return Number(db.prepare('select count(*) as entries from audit').get()?.['entries']);
  } finally {
    db.close();
  }
}

/** As somebody with access to the file would. */
function changeOneByte(dataDir: string, seq: number): void {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'));
  try {
    const altered = db.prepare(`update audit set actor = 'x' || substr(actor, 2) where seq = ?`).run(seq);
    assert.equal(altered.changes, 1);
  } finally {
    db.close();
  }
}

async function auditVerify(dataDir: string): Promise<{ readonly code: number; readonly out: string }> {
  const args = ['--disable-warning=ExperimentalWarning', KEDGE, 'audit', 'verify', dataDir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { code, out };
}
