import type { Rule, Violation } from '../source-file.ts';

const mayExportDefault = /(^|\/)[^/]+\.config\.(ts|mjs)$|^examples\/.*kedge\.ts$/;

/** One name for one thing, wherever it is imported. */
export const defaultExports: Rule = (files) =>
  files
    .filter((file) => !mayExportDefault.test(file.path))
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index): Violation[] => {
        const isDefault = token.text === 'export' && token.kind === 'name' && tokens[index + 1]?.text === 'default';
        return isDefault ? [{ path, line: token.line, message: 'default export; export it by its name' }] : [];
      }),
    );
