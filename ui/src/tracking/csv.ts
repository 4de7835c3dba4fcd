/**
 * Rows of comma-separated values (RFC 4180), at most `rowsMax` of them; quotes, doubled quotes and line breaks within
 * quotes are kept. A text that was cut off in its last row loses that row.
 */
export function csvRows(
  text: string,
  options: { readonly separator: ',' | '\t'; readonly rowsMax: number; readonly isCut: boolean },
): string[][] {
  const { separator, rowsMax, isCut } = options;
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let isQuoted = false;
  let at = 0;
  const endField = (): void => {
    row.push(field);
    field = '';
  };
  for (; at < text.length && rows.length < rowsMax; at++) {
    const char = text[at];
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') {
        field += '"';
        at++;
      } else isQuoted = false;
    } else if (char === '"' && field === '') isQuoted = true;
    else if (char === separator) endField();
    else if (char === '\n') {
      endField();
      rows.push(row);
      row = [];
    } else if (char !== '\r') field += char;
  }
  if (at === text.length && !isCut && rows.length < rowsMax && (field !== '' || row.length > 0)) {
    endField();
    rows.push(row);
  }
  return rows;
}
