import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompiledQuery, type Kysely, type RootOperationNode } from 'kysely';
import { openSqlite } from '#adapters/sql/sqlite';
import { applyMigrations, platformMigrations } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import { pipelineMigrations } from '../index.ts';
import { anyReady, nextReadyAt, queuedClasses, readySteps } from './queue.ts';

/** How SQLite goes about what is asked of the queue again and again, over however many steps have ended. */
test('the queue is read from its indexes, in their order', async (t) => {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);
  const planOf = async (ask: (db: Kysely<AnyTables>) => Promise<unknown>): Promise<string> => {
    const compiled: string[] = [];
    const see = (node: RootOperationNode, queryId: CompiledQuery['queryId']): void => {
      compiled.push(store.reader.getExecutor().compileQuery(node, queryId).sql);
    };
    await ask(
      store.reader.withPlugin({
        transformQuery({ node, queryId }) {
          see(node, queryId);
          return node;
        },
        transformResult: async ({ result }) => result,
      }),
    );
    const [text = ''] = compiled;
    const values = Array.from({ length: text.split('?').length - 1 }, () => 1);
    const { rows } = await store.reader.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${text}`, values),
    );
    return rows.map(({ detail }) => detail).join('\n');
  };

  const ready = await planOf((db) => readySteps(db, { now: 1, class: '{}', limit: 5 }));
  assert.match(ready, /SEARCH s USING INDEX pipeline_step_queue \(status=\? AND class=\?\)/);
  assert.match(ready, /SEARCH twin USING (?:COVERING )?INDEX pipeline_step_key \(cache_key=\? AND status=\?\)/);
  const others = [
    await planOf((db) => anyReady(db, 1)),
    await planOf((db) => nextReadyAt(db, 1)),
    await planOf((db) => queuedClasses(db)),
  ];
  for (const plan of [ready, ...others]) {
    assert.doesNotMatch(plan, /SCAN (?:s|pipeline_step)\b|TEMP B-TREE/, plan);
    assert.match(plan, /USING (?:COVERING )?INDEX pipeline_step_/);
  }
});
