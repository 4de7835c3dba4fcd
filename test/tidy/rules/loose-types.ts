import type { Rule, Violation } from '../source-file.ts';

const mayBeLoose = /^src\/(platform\/contract|adapters)\//;

/** A type that is not checked hides the bug that it was written to get past. */
export const looseTypes: Rule = (files) =>
  files
    .filter((file) => /\.tsx?$/.test(file.path) && !mayBeLoose.test(file.path))
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index): Violation[] => {
        if (token.kind !== 'name') return [];
        const before = tokens[index - 1]?.text ?? '';
        const after = tokens[index + 1]?.text ?? '';
        if (token.text === 'any' && isTypePosition(before) && !/^[:(]$/.test(after)) {
          return [
            { path, line: token.line, message: '`any` turns checking off; use `unknown` and check, or the type' },
          ];
        }
        if (token.text === 'unknown' && before === 'as' && after === 'as') {
          return [{ path, line: token.line, message: '`as unknown as` forces a type; check the value and narrow it' }];
        }
        return [];
      }),
    );

function isTypePosition(before: string): boolean {
  return /^([:<|&,(=[]|=>|as|keyof|readonly|extends|is|satisfies)$/.test(before);
}
