import { type Kysely, sql } from 'kysely';
import type { AnyTables, SqlDialect } from '#ports/sql';

export interface TableColumn {
  readonly table: string;
  readonly column: string;
  /** As the database names it, in lower case: `text`, `bigint`, `varchar`. */
  readonly type: string;
}

interface Readable {
  readonly reader: Kysely<AnyTables>;
  readonly dialect: SqlDialect;
}

/**
 * The columns of all tables of the database, of the current schema in PostgreSQL. Kysely's introspection looks into
 * every schema, and fails over a table that somebody drops meanwhile.
 */
export async function columnsOf({ reader, dialect }: Readable): Promise<TableColumn[]> {
  const query =
    dialect === 'postgres'
      ? sql<TableColumn>`select c.table_name as "table", c.column_name as "column", c.udt_name as "type"
          from information_schema.columns c
          join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
          where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
          order by c.table_name, c.ordinal_position`
      : sql<TableColumn>`select m.name as "table", c.name as "column", lower(c.type) as "type"
          from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table' order by m.name, c.cid`;
  return (await query.execute(reader)).rows;
}
