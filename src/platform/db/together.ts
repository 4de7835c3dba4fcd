import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

/**
 * Runs statements that do not wait for one another in their order on one connection, where they share a round trip.
 * What one finds is never older than what one before it found, as when each was sent after the answer to the last.
 */
export async function together<Rows extends readonly object[]>(
  db: Kysely<AnyTables>,
  statements: { readonly [I in keyof Rows]: Compilable<Rows[I]> },
): Promise<{ [I in keyof Rows]: Rows[I][] }> {
  const executor = db.getExecutor();
  const compiled = statements.map((statement) => statement.compile()) as CompiledQuery<Rows[number]>[];
  const results = await executor.provideConnection(async (connection) => {
    const held = executor.withConnectionProvider({ provideConnection: (consumer) => consumer(connection) });
    const sent = compiled.map((query) => held.executeQuery<Rows[number]>(query));
    // The connection is given back when nothing is under way on it, also after one has failed.
    await Promise.allSettled(sent);
    return Promise.all(sent);
  });
  return results.map(({ rows }) => rows) as { [I in keyof Rows]: Rows[I][] };
}
