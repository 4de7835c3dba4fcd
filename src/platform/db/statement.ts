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

/** The text of a statement in one dialect, and which value goes where in it. */
interface Text {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/**
 * A statement of every transaction. It is built and compiled by Kysely once for each dialect, and run again with other
 * values: to build and compile one takes longer than SQLite needs to run it.
 */
export function statement<const Names extends string, Row>(
  names: readonly Names[],
  build: (db: Db, slots: Readonly<Record<Names, Slot>>) => Compilable<Row>,
): (db: Db, values: Readonly<Record<Names, unknown>>) => Promise<readonly Row[]> {
  // By dialect, which the adapter of a connection stands for.
  const texts = new WeakMap<object, Text>();
  const slots = Object.fromEntries(names.map((name) => [name, new Slot(name)])) as Record<Names, Slot>;
  return async (db, values) => {
    const { adapter } = db.getExecutor();
    const text = texts.get(adapter) ?? build(db, slots).compile();
    texts.set(adapter, text);
    const filled = text.parameters.map((each) => (each instanceof Slot ? values[each.name as Names] : each));
    return (await db.executeQuery<Row>(CompiledQuery.raw(text.sql, filled))).rows;
  };
}
