import type { Rule, Violation } from '../source-file.ts';
import type { Token } from '../tokens.ts';

const mutating = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Whoever changes something leaves a trace: a route that mutates names its audit action. */
export const auditedRoutes: Rule = (files) =>
  files
    .filter((file) => !file.isTest)
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index): Violation[] => {
        const isCall = token.text === 'route' && tokens[index + 1]?.text === '(' && tokens[index + 2]?.text === '{';
        if (token.kind !== 'name' || !isCall) return [];
        const fields = fieldsOf(tokens, index + 2);
        const method = fields.get('method')?.text ?? '';
        if (!mutating.has(method) || fields.has('audit')) return [];
        return [{ path, line: token.line, message: `a ${method} route needs \`audit: '<noun>.<verb>'\`` }];
      }),
    );

/** The first token of each field's value, of the object literal that opens at `open`. */
function fieldsOf(tokens: readonly Token[], open: number): ReadonlyMap<string, Token> {
  const fields = new Map<string, Token>();
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    const token = tokens[at]!;
    if (token.kind === 'punctuator' && /^[([{]$/.test(token.text)) depth += 1;
    if (token.kind === 'punctuator' && /^[)\]}]$/.test(token.text)) depth -= 1;
    if (depth === 0) break;
    const startsField = depth === 1 && /^[{,]$/.test(tokens[at - 1]?.text ?? '') && tokens[at + 1]?.text === ':';
    const value = tokens[at + 2];
    if (startsField && value) fields.set(token.text, value);
    if (depth === 1 && token.kind === 'name' && /^[,}]$/.test(tokens[at + 1]?.text ?? ''))
      fields.set(token.text, token);
  }
  return fields;
}
