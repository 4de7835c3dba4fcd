/** Rows as aligned columns for a terminal, which what others wrote must not steer. Numbers are right-aligned. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell).replaceAll(/\p{Cc}/gu, '·'))));
  const numeric = header.map(
    (_, i) => rows.length > 0 && rows.every((row) => row[i] === null || typeof row[i] === 'number'),
  );
  const widths = header.map((title, i) => Math.max(title.length, ...texts.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header.map((title) => title.toUpperCase())), ...texts.map(line)].join('\n');
}
