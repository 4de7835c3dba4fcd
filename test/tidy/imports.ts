import type { Token } from './tokens.ts';

export interface ImportStatement {
  readonly specifier: string;
  readonly line: number;
  /** Erased before the program runs. */
  readonly isType: boolean;
  /** An `import()` expression: loaded when it is reached, not before the importing file. */
  readonly isDynamic: boolean;
}

/** Every import and re-export of a file, in order. */
export function importsOf(tokens: readonly Token[]): ImportStatement[] {
  const found: ImportStatement[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index]!;
    if (token.kind !== 'name' || tokens[index - 1]?.text === '.' || tokens[index + 1]?.text === ':') continue;
    const statement =
      token.text === 'import'
        ? importAt(tokens, index)
        : token.text === 'export'
          ? reexportAt(tokens, index)
          : undefined;
    if (statement) found.push(statement);
  }
  return found;
}

function importAt(tokens: readonly Token[], index: number): ImportStatement | undefined {
  const { line } = tokens[index]!;
  const next = tokens[index + 1];
  if (next?.kind === 'string') return { specifier: next.text, line, isType: false, isDynamic: false };
  if (next?.text === '(') {
    const argument = tokens[index + 2];
    return argument?.kind === 'string' ? { specifier: argument.text, line, isType: false, isDynamic: true } : undefined;
  }
  return next?.text === '.' ? undefined : withClause(tokens, index);
}

function reexportAt(tokens: readonly Token[], index: number): ImportStatement | undefined {
  const next = tokens[index + 1]?.text;
  const afterType = next === 'type' ? tokens[index + 2]?.text : next;
  return afterType === '{' || afterType === '*' ? withClause(tokens, index) : undefined;
}

/** `import <clause> from 'x'` or `export <clause> from 'x'`, with `index` at its first word. */
function withClause(tokens: readonly Token[], index: number): ImportStatement | undefined {
  const { line } = tokens[index]!;
  let end = index + 1;
  while (end < tokens.length && !isFrom(tokens, end)) {
    // An export list without a source, or any other statement, ends here.
    if (/^[;=(]$/.test(tokens[end]!.text)) return undefined;
    end += 1;
  }
  const specifier = tokens[end + 1]?.text;
  if (specifier === undefined) return undefined;
  return { specifier, line, isType: isTypeClause(tokens.slice(index + 1, end)), isDynamic: false };
}

function isFrom(tokens: readonly Token[], index: number): boolean {
  return tokens[index]!.text === 'from' && tokens[index]!.kind === 'name' && tokens[index + 1]?.kind === 'string';
}

/** `type …`, or braces in which each name is marked `type`. */
function isTypeClause(clause: readonly Token[]): boolean {
  if (clause[0]?.text === 'type' && clause.length > 1) return true;
  if (clause[0]?.text !== '{') return false;
  const starts = clause.filter((token, index) => {
    const before = clause[index - 1]?.text;
    return (before === '{' || before === ',') && token.text !== '}';
  });
  return starts.length > 0 && starts.every((token) => token.text === 'type');
}
