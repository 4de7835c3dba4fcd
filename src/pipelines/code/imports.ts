/**
 * The specifiers that a JavaScript or TypeScript source imports at run time, in order: static `import` and
 * `export … from`, and `import('…')` of a literal. Type-only imports are erased before the code runs and are left out.
 */
export function importsOf(source: string): string[] {
  const masked = mask(source);
  const found: string[] = [];
  for (const match of masked.matchAll(IMPORT)) {
    const quote = match.index + match[0].search(/['"]/);
    const end = masked.indexOf(masked[quote] as string, quote + 1);
    found.push(source.slice(quote + 1, end));
  }
  return found;
}

/**
 * `import 'x'`, `import … from 'x'`, `export … from 'x'`, `import('x')`, on masked source. An import that begins with
 * `type` is one of types unless `type` is itself the name that is imported (`import type from 'x'`).
 */
const IMPORT = new RegExp(
  [
    String.raw`(?<![.\w$])import\s*(?:\(\s*)?['"]`,
    String.raw`(?<![.\w$])(?:import|export)\b(?!\s+type\s+(?!from\s*['"]|,))\s*[\w$*{][\w$*{},\s]*?\bfrom\s*['"]`,
  ].join('|'),
  'g',
);

/** The source with comments blanked and the content of strings, templates and regular expressions replaced by `_`. */
function mask(source: string): string {
  const out = source.split('');
  const blank = (from: number, to: number, by: string): void => {
    for (let i = from; i < to && i < out.length; i++) if (out[i] !== '\n') out[i] = by;
  };
  /** Depths of braces at which a template literal goes on after `${…}`. */
  const templates: number[] = [];
  let depth = 0;
  let i = 0;
  while (i < source.length) {
    const c = source[i] as string;
    let end = i + 1;
    if (source.startsWith('//', i) || source.startsWith('/*', i)) {
      end = commentEnd(source, i);
      blank(i, end, ' ');
    } else if (c === "'" || c === '"') {
      end = quotedEnd(source, i, c);
      blank(i + 1, end - 1, '_');
    } else if (c === '`' || (c === '}' && templates.at(-1) === depth)) {
      if (c === '}') templates.pop();
      end = templateEnd(source, i + 1);
      if (source.startsWith('${', end - 2) && source[end - 1] === '{') templates.push(depth);
      blank(i + 1, end - 1, '_');
    } else if (c === '{') depth++;
    else if (c === '}') depth--;
    else if (c === '/' && beginsRegex(source, i)) {
      end = regexEnd(source, i);
      blank(i + 1, end - 1, '_');
    }
    i = end;
  }
  return out.join('');
}

function commentEnd(source: string, start: number): number {
  const line = source[start + 1] === '/';
  const end = source.indexOf(line ? '\n' : '*/', start + 2);
  return end === -1 ? source.length : end + (line ? 0 : 2);
}

/** The index after the closing quote, or after the line when there is none. */
function quotedEnd(source: string, start: number, quote: string): number {
  let i = start + 1;
  while (i < source.length && source[i] !== quote && source[i] !== '\n') i += source[i] === '\\' ? 2 : 1;
  return i + 1;
}

/** The index after the closing backtick, or after the `${` that interrupts the template. */
function templateEnd(source: string, start: number): number {
  let i = start;
  while (i < source.length) {
    if (source[i] === '`') return i + 1;
    if (source.startsWith('${', i)) return i + 2;
    i += source[i] === '\\' ? 2 : 1;
  }
  return i;
}

function regexEnd(source: string, start: number): number {
  let inClass = false;
  let i = start + 1;
  while (i < source.length && source[i] !== '\n') {
    const c = source[i];
    if (c === '[') inClass = true;
    else if (c === ']') inClass = false;
    else if (c === '/' && !inClass) return i + 1;
    i += c === '\\' ? 2 : 1;
  }
  return i;
}

/** A slash divides after a value and begins a regular expression after an operator or a keyword. */
function beginsRegex(source: string, at: number): boolean {
  const before = source.slice(Math.max(0, at - 40), at).trimEnd();
  const last = before.at(-1);
  if (last === undefined) return true;
  if (/[\w$]/.test(last)) return /(?<![\w$.])(?:return|typeof|case|in|of|await|yield|void|delete)$/.test(before);
  return last !== ')' && last !== ']' && last !== '}' && last !== "'" && last !== '"' && last !== '`';
}
