import { type Compilable, CompiledQuery, type Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

type Db = Kysely<AnyTables>;

/** Stands for a value while a statement is compiled. */
class Slot {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A statement in one dialect. */
interface Text {
  readonly compiled: CompiledQuery;
  /** For each parameter the value that goes there by its name, or what is always the same. */
  readonly parameters: readonly unknown[];
}

/**
 * A statement of every transaction. It is built and compiled by Kysely once for each dialect, and run again with other
 * values: to build and compile one takes longer than SQLite needs to run it. `build` gets a placeholder for each name,
 * typed as the value that it stands for, and may do nothing with it but hand it to Kysely.
 */
export function statement<Values extends object, Row>(
  names: readonly (keyof Values & string)[],
  build: (db: Db, slots: Readonly<Values>) => Compilable<Row>,
): (db: Db, values: Readonly<Values>) => Promise<readonly Row[]> {
  // By dialect, which the adapter of a connection stands for.
  const texts = new WeakMap<object, Text>();
  const slots = Object.fromEntries(names.map((name) => [name, new Slot(name)])) as object as Values;
  return async (db, values) => {
    const executor = db.getExecutor();
    let text = texts.get(executor.adapter);
    if (!text) {
      const compiled = build(db, slots).compile();
      text = { compiled, parameters: compiled.parameters };
      texts.set(executor.adapter, text);
    }
    const { sql, query, queryId } = text.compiled;
    // Plugins see it as they see any statement, such as the one that refuses those of a transaction that has ended.
    executor.transformQuery(query, queryId);
    const parameters = text.parameters.map((each) => (each instanceof Slot ? values[each.name as keyof Values] : each));
    return (await db.executeQuery<Row>(CompiledQuery.raw(sql, parameters))).rows;
  };
}
