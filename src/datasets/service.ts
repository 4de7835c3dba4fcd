import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Kysely } from 'kysely';
import { type Digest, digester } from '#core/hash';
import type { Columnar, ColumnarSession } from '#platform/columnar';
import type { Upload } from '#platform/contract';
import type { Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import type { AnyTables } from '#ports/sql';
import type { BatchView, DatasetSpec, SnapshotView } from './contract.ts';
import { datasetErrors } from './errors.ts';
import { datasetCommitted, datasetQuarantined } from './events.ts';
import { reasonsOf, type Segment, statusOf } from './model.ts';
import {
  findBatch,
  findSchema,
  insertBatch,
  insertCommit,
  insertSchema,
  lastCommit,
  listBatches,
  type StoredBatch,
  segmentsOfBatch,
  segmentsUpTo,
  updateBatch,
} from './store.ts';
import { BATCH_ROWS_MAX, type Source, type Validated, validateBatch } from './validation/validate.ts';

export interface DatasetsDeps extends DomainDeps {
  readonly blobs: BlobStore;
  readonly columnar: Columnar;
  /** A directory that `columnar` may read and write. */
  readonly scratchDir: string;
}

const FORMATS: Readonly<Record<string, Source['format']>> = {
  'application/vnd.apache.parquet': 'parquet',
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
};

interface BatchKey {
  readonly dataset: string;
  readonly batch: string;
}

interface Written {
  readonly validated: Validated;
  readonly segment: Segment | null;
  readonly held: Digest | null;
}

export class DatasetService {
  readonly #deps: DatasetsDeps;

  constructor(deps: DatasetsDeps) {
    this.#deps = deps;
  }

  /** Validates and commits a batch. The same batch with the same content again answers what came of it then. */
  async commit(context: Context, key: BatchKey, upload: Upload): Promise<BatchView> {
    const spec = await this.#specOf(key.dataset);
    const format = FORMATS[upload.contentType] ?? 'parquet';
    return this.#withFile(upload.bytes, (path, content) =>
      this.#deps.columnar.exclusive(async (session) => {
        const known = await findBatch(this.#deps.db.reader, key.dataset, key.batch);
        if (known) return sameContent(known, content);
        return this.#commit(session, { context, key, spec, path, format, content });
      }),
    );
  }

  /** Validates held rows again under the present spec, commits what passes, keeps what does not. */
  async release(context: Context, key: BatchKey, knownAt: number | undefined): Promise<BatchView> {
    const { db, blobs, columnar } = this.#deps;
    const subject = `dataset/${key.dataset}`;
    const spec = await this.#specOf(key.dataset);
    return columnar.exclusive(async (session) => {
      const stored = await findBatch(db.reader, key.dataset, key.batch);
      if (!stored) throw datasetErrors['batch-not-found'](`dataset '${key.dataset}' has no batch '${key.batch}'`);
      if (!stored.held) throw datasetErrors['nothing-held'](`batch '${key.batch}' holds no rows`);
      const path = await blobs.localPath(stored.held);
      const segments = await segmentsOfBatch(db.reader, key.dataset, key.batch);
      const passed = await Promise.all(segments.map((digest) => blobs.localPath(digest)));
      const commit = (await lastCommit(db.reader, key.dataset)) + 1;
      const source: Source = { path, format: 'parquet', knownAt, passed };
      const written = await this.#write(session, source, { key, spec, commit });
      const { report } = written.validated;
      await db.transact(context, async (tx) => {
        const committed = written.segment ? commit : null;
        const change = { status: written.held ? statusOf(report.accepted, report.held) : 'released', report } as const;
        await updateBatch(tx.db, key, { ...change, commit: committed ?? stored.commit, held: written.held });
        if (written.segment) {
          await insertCommit(tx.db, { ...key, commit, segment: written.segment, committedAt: tx.now });
          tx.emit(datasetCommitted.draft(subject, { ...key, commit, segment: written.segment }));
        }
        tx.audit(subject, { batch: key.batch, accepted: report.accepted, held: report.held });
      });
      return this.#view(key);
    });
  }

  async batches(
    dataset: string,
    filter: { readonly held?: boolean | undefined; readonly limit: number },
  ): Promise<BatchView[]> {
    await this.#specOf(dataset);
    return (await listBatches(this.#deps.db.reader, dataset, filter)).map(viewOf);
  }

  /** The state of a dataset as of a commit: everything that commits 1 to `commit` accepted, nothing else, for ever. */
  async snapshot(dataset: string, commit?: number): Promise<SnapshotView> {
    return this.snapshotIn(this.#deps.db.reader, dataset, commit);
  }

  /** As {@link snapshot}, seen from a transaction. */
  async snapshotIn(db: Kysely<AnyTables>, dataset: string, commit?: number): Promise<SnapshotView> {
    const spec = await this.#specOf(dataset, db);
    const at = Math.min(commit ?? Number.MAX_SAFE_INTEGER, await lastCommit(db, dataset));
    const segments = await segmentsUpTo(db, dataset, at);
    const columns = (await findSchema(db, dataset)) ?? spec.columns ?? {};
    return { dataset, commit: at, rows: segments.reduce((sum, segment) => sum + segment.rows, 0), columns, segments };
  }

  async #commit(
    session: ColumnarSession,
    sent: {
      readonly context: Context;
      readonly key: BatchKey;
      readonly spec: DatasetSpec;
      readonly path: string;
      readonly format: Source['format'];
      readonly content: Digest;
    },
  ): Promise<BatchView> {
    const { db } = this.#deps;
    const { context, key, spec, content } = sent;
    const subject = `dataset/${key.dataset}`;
    const commit = (await lastCommit(db.reader, key.dataset)) + 1;
    const written = await this.#write(session, { path: sent.path, format: sent.format }, { key, spec, commit });
    const { report, columns, newestKnownAt } = written.validated;
    const status = statusOf(report.accepted, report.held);
    await db.transact(context, async (tx) => {
      const committed = written.segment ? commit : null;
      await insertSchema(tx.db, key.dataset, columns);
      await insertBatch(tx.db, {
        ...key,
        content,
        status,
        commit: committed,
        held: written.held,
        report,
        receivedAt: tx.now,
      });
      if (written.segment) {
        await insertCommit(tx.db, { ...key, commit, segment: written.segment, committedAt: tx.now });
        tx.emit(datasetCommitted.draft(subject, { ...key, commit, segment: written.segment }));
      }
      const quarantined = report.checks.filter((check) => check.outcome.startsWith('quarantined'));
      if (quarantined.length > 0) {
        const reasons = reasonsOf(quarantined);
        tx.emit(datasetQuarantined.draft(subject, { ...key, rows: report.held, at: newestKnownAt, reasons }));
      }
      tx.audit(subject, {
        batch: key.batch,
        content,
        status,
        accepted: report.accepted,
        held: report.held,
      });
    });
    return this.#view(key);
  }

  /** Validates, and writes accepted and held rows to the blob store. What a crash leaves there is unreferenced. */
  async #write(
    session: ColumnarSession,
    source: Source,
    target: { readonly key: BatchKey; readonly spec: DatasetSpec; readonly commit: number },
  ): Promise<Written> {
    const columns = await findSchema(this.#deps.db.reader, target.key.dataset);
    const validated = await validateBatch(session, source, { spec: target.spec, columns });
    const { bounds, report } = validated;
    const accepted = validated.acceptedSql(target.commit * BATCH_ROWS_MAX);
    const segment = bounds ? { ...bounds, digest: await this.#store(session, accepted) } : null;
    const held = report.held > 0 ? await this.#store(session, validated.heldSql) : null;
    return { validated, segment, held };
  }

  async #store(session: ColumnarSession, sql: string): Promise<Digest> {
    const path = join(this.#deps.scratchDir, `${this.#deps.system.ids.next('segment')}.parquet`);
    try {
      await session.writeParquet(sql, path);
      return (await this.#deps.blobs.put(createReadStream(path))).digest;
    } finally {
      await rm(path, { force: true });
    }
  }

  async #withFile<T>(
    bytes: AsyncIterable<Uint8Array>,
    work: (path: string, content: Digest) => Promise<T>,
  ): Promise<T> {
    const path = join(this.#deps.scratchDir, this.#deps.system.ids.next('upload'));
    const state = digester();
    const counted = async function* (): AsyncIterable<Uint8Array> {
      for await (const chunk of bytes) {
        state.update(chunk);
        yield chunk;
      }
    };
    try {
      await pipeline(Readable.from(counted()), createWriteStream(path));
      return await work(path, state.digest());
    } finally {
      await rm(path, { force: true });
    }
  }

  async #specOf(dataset: string, db: Kysely<AnyTables> = this.#deps.db.reader): Promise<DatasetSpec> {
    const resource = await this.#deps.resources.find('dataset', dataset, db);
    if (!resource) {
      throw datasetErrors['not-found'](`there is no dataset named '${dataset}': declare it with kedge apply`);
    }
    return resource.spec as DatasetSpec;
  }

  async #view(key: BatchKey): Promise<BatchView> {
    const stored = await findBatch(this.#deps.db.reader, key.dataset, key.batch);
    if (!stored) throw datasetErrors['batch-not-found'](`dataset '${key.dataset}' has no batch '${key.batch}'`);
    return viewOf(stored);
  }
}

function viewOf({ content: _content, held: _held, ...view }: StoredBatch): BatchView {
  return view;
}

function sameContent(stored: StoredBatch, content: Digest): BatchView {
  if (stored.content === content) return viewOf(stored);
  throw datasetErrors['batch-conflict'](
    `batch '${stored.batch}' of dataset '${stored.dataset}' exists with other content: choose another name`,
  );
}
