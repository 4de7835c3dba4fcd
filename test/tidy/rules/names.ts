import type { Rule, Violation } from '../source-file.ts';

const vagueFolders = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'shared', 'lib']);
const versionWords = /^(v\d+|new|old|legacy)$/;

/** A folder is named after what is in it, and there is one version of everything: the present one. */
export const names: Rule = (files) =>
  files.flatMap(({ path }): Violation[] => {
    const folders = path.split('/').slice(0, -1);
    const vague = folders.find((folder) => vagueFolders.has(folder));
    if (vague) return [{ path, line: 1, message: `folder '${vague}' says nothing; name it after what it holds` }];
    const version = path.split(/[-/._]/).find((word) => versionWords.test(word));
    if (version)
      return [{ path, line: 1, message: `'${version}' in a path is history; there is only the present version` }];
    const file = path.split('/').at(-1) ?? '';
    const isKebab = !/\.(ts|tsx|mjs)$/.test(file) || /^[a-z0-9$_][a-z0-9.$_-]*$/.test(file);
    return isKebab ? [] : [{ path, line: 1, message: `file names are kebab-case: ${file}` }];
  });
