import type { Rule, Violation } from '../source-file.ts';

const mayReadTheEnvironment = /^src\/platform\/config\/|^(bench|bin|examples|test|tools)\/|^ui\/[^/]+\.config\.ts$/;

/** The environment is read once, in one place, where each key has a unit, a default and a reason. */
export const environment: Rule = (files) =>
  files
    .filter((file) => !mayReadTheEnvironment.test(file.path) && !file.isTest)
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index): Violation[] => {
        const isRead =
          token.text === 'env' && /^\??\.$/.test(tokens[index - 1]?.text ?? '') && isProcess(tokens[index - 2]?.text);
        const isImport = token.text === 'env' && token.kind === 'name' && importsProcess(tokens, index);
        const message = 'reads the environment; add a key to src/platform/config and take its value as a parameter';
        return isRead || isImport ? [{ path, line: token.line, message }] : [];
      }),
    );

function isProcess(text: string | undefined): boolean {
  return text === 'process' || text === 'meta';
}

/** `import { env } from 'node:process'`. */
function importsProcess(tokens: readonly { readonly text: string }[], index: number): boolean {
  const rest = tokens.slice(index, index + 8).map((token) => token.text);
  const from = rest.indexOf('from');
  return from >= 0 && !rest.slice(0, from).includes(';') && /^(node:)?process$/.test(rest[from + 1] ?? '');
}
