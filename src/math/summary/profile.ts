import { requireThat } from '../checks.ts';
import {
  type CategoryColumn,
  type CategoryCounts,
  countBins,
  countCategories,
  frozenBins,
  frozenCategories,
  mergeCategoryCounts,
  mergeCounts,
  type NumericColumn,
  type NumericCounts,
} from './binning.ts';

export type Columns = Readonly<Record<string, NumericColumn | CategoryColumn>>;

export type ColumnProfile =
  | { readonly kind: 'numeric'; readonly edges: readonly number[]; readonly counts: NumericCounts }
  | { readonly kind: 'category'; readonly categories: readonly string[]; readonly counts: CategoryCounts };

/**
 * A table summarised column by column in bounded memory: plain data that survives JSON. Profiles over the same frozen
 * edges add up, so a reference, its held-out windows and the live windows are compared by O(bins) work.
 */
export interface Profile {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ColumnProfile>>;
}

const columnsMax = 10_000;

/**
 * Profiles a reference table and freezes its bins: typed arrays by quantiles, other arrays as categories. All columns
 * have one value a row. O(rows · log rows) a numeric column, O(rows) a category column.
 */
export function profileOf(
  columns: Columns,
  options: { readonly bins?: number; readonly categories?: number } = {},
): Profile {
  const numeric = options.bins === undefined ? {} : { bins: options.bins };
  const category = options.categories === undefined ? {} : { limit: options.categories };
  return profiled(columns, Object.keys(columns), (column) =>
    isNumeric(column)
      ? numericProfile(frozenBins(column, numeric), column)
      : categoryProfile(frozenCategories(column, category), column),
  );
}

/**
 * Profiles another window of the same table over the bins that `reference` froze. Each column of the reference has to
 * be there with the same kind; further columns are ignored. O(rows · log bins) a column.
 */
export function profileLike(reference: Profile, columns: Columns): Profile {
  return profiled(columns, Object.keys(reference.columns), (column, name) => {
    const frozen = reference.columns[name];
    const kind = isNumeric(column) ? 'numeric' : 'category';
    requireThat(kind === frozen.kind, name, `must be a ${frozen.kind} column as in the reference, not ${kind}`);
    if (isNumeric(column)) return numericProfile(frozen.kind === 'numeric' ? frozen.edges : [], column);
    return categoryProfile(frozen.kind === 'category' ? frozen.categories : [], column);
  });
}

/** Adds two windows over the same bins; the result equals the profile of all their rows. O(columns · bins). */
export function mergeProfiles(a: Profile, b: Profile): Profile {
  const columns = Object.entries(a.columns).map(([name, left]): [string, ColumnProfile] => {
    requireThat(Object.hasOwn(b.columns, name), name, 'must be in both profiles');
    return [name, mergeColumns(name, left, b.columns[name])];
  });
  requireThat(Object.keys(b.columns).length === columns.length, 'columns', 'must be the same in both profiles');
  return { rows: a.rows + b.rows, columns: Object.fromEntries(columns) };
}

/**
 * The counts of a column as one list for a distance such as PSI: the bins, then "other" (categories only), then
 * missing. Missing is a bin of its own because a feed that falls silent is a shift.
 */
export function countsOf(column: ColumnProfile): readonly number[] {
  if (column.kind === 'numeric') return [...column.counts.bins, column.counts.missing];
  return [...column.counts.bins, column.counts.other, column.counts.missing];
}

type Column = NumericColumn | CategoryColumn;

function isNumeric(column: Column): column is NumericColumn {
  return ArrayBuffer.isView(column);
}

function profiled(
  columns: Columns,
  names: readonly string[],
  profile: (column: Column, name: string) => ColumnProfile,
): Profile {
  requireThat(names.length > 0 && names.length <= columnsMax, 'columns', `must be 1 to ${columnsMax}`);
  const entries: [string, ColumnProfile][] = [];
  let rows: number | undefined;
  for (const name of names) {
    requireThat(Object.hasOwn(columns, name), name, 'must be among the columns');
    const column = columns[name];
    rows ??= column.length;
    requireThat(column.length === rows, name, `must have ${rows} rows as the other columns, not ${column.length}`);
    entries.push([name, profile(column, name)]);
  }
  return { rows: rows ?? 0, columns: Object.fromEntries(entries) };
}

function numericProfile(edges: readonly number[], column: NumericColumn): ColumnProfile {
  return { kind: 'numeric', edges, counts: countBins(edges, column) };
}

function categoryProfile(categories: readonly string[], column: CategoryColumn): ColumnProfile {
  return { kind: 'category', categories, counts: countCategories(categories, column) };
}

function mergeColumns(name: string, a: ColumnProfile, b: ColumnProfile): ColumnProfile {
  if (a.kind === 'numeric' && b.kind === 'numeric' && equalLists(a.edges, b.edges)) {
    return { ...a, counts: mergeCounts(a.counts, b.counts) };
  }
  const equal = a.kind === 'category' && b.kind === 'category' && equalLists(a.categories, b.categories);
  requireThat(equal, name, 'must be counted over the same bins in both profiles');
  return { ...a, counts: mergeCategoryCounts(a.counts, b.counts) };
}

function equalLists<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
