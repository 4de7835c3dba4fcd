import type { Rule, Violation } from '../source-file.ts';
import type { Token } from '../tokens.ts';

const mayReadTheClock = /^src\/(core|adapters)\/|^(bench|bin|examples|test|tools|ui)\//;

/** Time, timers and chance come from outside, so that the simulation and the tests decide them. */
export const clock: Rule = (files) =>
  files
    .filter((file) => !mayReadTheClock.test(file.path) && !file.isTest)
    .flatMap((file) =>
      file.tokens.flatMap((token, index): Violation[] => {
        const used = ambientSource(file.tokens, index);
        if (!used) return [];
        const [what, instead] = used;
        return [
          {
            path: file.path,
            line: token.line,
            message: `${what} is ambient; take ${instead} from #core as a parameter`,
          },
        ];
      }),
    );

const timers = new Set(['setTimeout', 'setInterval']);

/** What is used at `index`, and what to take instead. */
function ambientSource(tokens: readonly Token[], index: number): readonly [string, string] | undefined {
  const at = (offset: number) => tokens[index + offset]?.text ?? '';
  const token = tokens[index]!;
  if (token.kind === 'string' && /^(node:)?timers(\/promises)?$/.test(token.text)) return [token.text, 'a Clock'];
  if (token.kind !== 'name' || (at(-1) === '.' && at(-2) !== 'globalThis')) return undefined;
  const member = `${token.text}${at(1)}${at(2)}`;
  if (member === 'Math.random') return [member, 'a Random'];
  if (member === 'Date.now' || member === 'performance.now') return [member, 'a Clock'];
  if (token.text === 'Date' && at(1) === '(' && (at(-1) !== 'new' || at(2) === ')')) return ['Date()', 'a Clock'];
  if (token.text === 'Date' && at(-1) === 'new' && at(1) !== '(') return ['new Date', 'a Clock'];
  if (timers.has(token.text) && at(1) === '(' && !isDeclaration(tokens, index)) return [token.text, 'a Clock'];
  return undefined;
}

/** A method or function of ours that happens to have that name. */
function isDeclaration(tokens: readonly Token[], index: number): boolean {
  if (tokens[index - 1]?.text === 'function') return true;
  let depth = 0;
  for (let at = index + 1; at < tokens.length; at += 1) {
    if (tokens[at]!.text === '(') depth += 1;
    if (tokens[at]!.text === ')') depth -= 1;
    if (depth === 0) return tokens[at + 1]?.text === '{' || tokens[at + 1]?.text === ':';
  }
  return false;
}
