/**
 * Rows of a CSV text (RFC 4180): cells between commas, quoted where they hold a comma, a quote or a line break. An
 * empty line is no row. Throws an `Error` for a quote that is never closed, and past the limits.
 */
export function parseCsv(
  text: string,
  { rowsMax, cellsMax }: { readonly rowsMax: number; readonly cellsMax: number },
): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/y;
  for (let at = 0; at < text.length; at = CELL.lastIndex) {
    CELL.lastIndex = at;
    const match = CELL.exec(text);
    if (!match) throw new Error(`line ${rows.length + 1} has a quote that is not closed, or text beside one`);
    const [whole, quoted, bare = '', end] = match;
    row.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    if (row.length > cellsMax) throw new Error(`line ${rows.length + 1} has more than ${cellsMax} cells`);
    if (end === ',') {
      if (at + whole.length === text.length) row.push('');
      else continue;
    }
    if (row.length > 1 || row[0] !== '' || quoted !== undefined) rows.push(row);
    if (rows.length > rowsMax) throw new Error(`it has more than ${rowsMax} lines`);
    row = [];
  }
  return rows;
}
