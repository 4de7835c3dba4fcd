import type { Token } from './tokens.ts';

/** Where a function stands, from its parameters to the end of its body. */
export interface FunctionSpan {
  /** Empty when it has none. */
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Every function with a body: declarations, methods, arrows with a block or an expression. */
export function functionsOf(tokens: readonly Token[]): FunctionSpan[] {
  const partner = partners(tokens);
  const found: FunctionSpan[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'punctuator') continue;
    const end = token.text === '=>' ? arrowEnd(tokens, index, partner) : bodyEnd(tokens, index, partner);
    if (end === undefined) continue;
    const start = headStart(tokens, token.text === '=>' ? index - 1 : index, partner);
    const line = tokens[start]!.line;
    found.push({ name: nameBefore(tokens, start), line, lines: tokens[end]!.line - line + 1 });
  }
  return found;
}

/** Index of the bracket that belongs to each bracket. */
function partners(tokens: readonly Token[]): ReadonlyMap<number, number> {
  const partner = new Map<number, number>();
  const open: number[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'punctuator') continue;
    if (/^[([{]$/.test(token.text)) open.push(index);
    else if (/^[)\]}]$/.test(token.text)) {
      const start = open.pop();
      if (start === undefined) continue;
      partner.set(start, index);
      partner.set(index, start);
    }
  }
  return partner;
}

/** End of an arrow's body, when `index` is at `=>`. */
function arrowEnd(tokens: readonly Token[], index: number, partner: ReadonlyMap<number, number>): number | undefined {
  const next = tokens[index + 1];
  if (!next) return undefined;
  if (next.text === '{' && next.kind === 'punctuator') return partner.get(index + 1);
  let at = index + 1;
  while (at < tokens.length) {
    const token = tokens[at]!;
    if (token.kind === 'punctuator') {
      if (/^[;,)\]}]$/.test(token.text)) return at - 1;
      at = partner.get(at) ?? at;
    }
    at += 1;
  }
  return tokens.length - 1;
}

const statements = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await']);

/** End of the body of a function declaration or method, when `index` is at the `)` that closes its parameters. */
function bodyEnd(tokens: readonly Token[], index: number, partner: ReadonlyMap<number, number>): number | undefined {
  if (tokens[index]!.text !== ')') return undefined;
  const open = partner.get(index);
  const before = open === undefined ? undefined : tokens[open - 1];
  if (!before || (before.kind === 'name' && statements.has(before.text))) return undefined;
  if (before.kind !== 'name' && before.kind !== 'string' && before.text !== ']' && before.text !== '>')
    return undefined;
  const next = tokens[index + 1];
  if (next?.text === '{') return partner.get(index + 1);
  if (next?.text !== ':') return undefined;
  const body = typeEnd(tokens, index + 2, partner);
  return tokens[body]?.text === '{' ? partner.get(body) : undefined;
}

/** Index of the first token after the type that starts at `index`. A `{` after a complete type is not part of it. */
function typeEnd(tokens: readonly Token[], index: number, partner: ReadonlyMap<number, number>): number {
  let wantsOperand = true;
  let angles = 0;
  let at = index;
  for (; at < tokens.length; at += 1) {
    const token = tokens[at]!;
    if (token.kind === 'punctuator') {
      if (token.text === '<') angles += 1;
      if (token.text === '>') angles -= 1;
      if (/^[([{]$/.test(token.text)) {
        if (token.text === '{' && !wantsOperand && angles === 0) return at;
        at = partner.get(at) ?? at;
        wantsOperand = false;
      } else if (angles === 0 && /^[;,)\]}=]$/.test(token.text)) return at;
      else wantsOperand = token.text !== '>';
    } else {
      const joins = /^(is|keyof|readonly|typeof|extends|infer|asserts|unique)$/.test(token.text);
      if (!wantsOperand && !joins && angles === 0) return at;
      wantsOperand = joins;
    }
  }
  return at;
}

/** Where the parameters start, when `end` is at the last token before the body or arrow. */
function headStart(tokens: readonly Token[], end: number, partner: ReadonlyMap<number, number>): number {
  for (let at = end; at >= 0; at -= 1) {
    const token = tokens[at]!;
    if (token.kind === 'punctuator' && token.text === ')') return partner.get(at) ?? at;
    if (token.kind === 'punctuator' && /^[;{(,=]$/.test(token.text)) return at + 1;
    if (token.kind === 'punctuator' && /^[\]}]$/.test(token.text)) at = partner.get(at) ?? at;
  }
  return 0;
}

/** `name(`, `name<T>(`, `const name = (`, `name: (`, `const name = async (`. */
function nameBefore(tokens: readonly Token[], start: number): string {
  let at = start - 1;
  if (tokens[at]?.text === '>') while (at >= 0 && tokens[at]!.text !== '<') at -= 1;
  if (tokens[at]?.text === '<') at -= 1;
  if (tokens[at]?.text === 'async') at -= 1;
  if (tokens[at]?.text === '=' || tokens[at]?.text === ':') at -= 1;
  const token = tokens[at];
  return token?.kind === 'name' && !['function', 'return', 'default'].includes(token.text) ? token.text : '';
}
