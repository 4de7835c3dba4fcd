import type { Rule, Violation } from '../source-file.ts';

const stores = /(^|\/)(store\.ts|store\/|migrations\.ts|migrations\/)/;
const outside = /^src\/(platform|adapters)\/|^src\/ports\/sql\.ts$|^(test|bench|tools|examples)\//;
const builders = /^(selectFrom|insertInto|updateTable|deleteFrom|replaceInto|mergeInto|createTable|alterTable)$/;

/** All SQL of a domain is in its store, where somebody who changes a table finds every query. */
export const sqlInStore: Rule = (files) =>
  files
    .filter((file) => !stores.test(file.path) && !outside.test(file.path) && !file.isTest)
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index): Violation[] => {
        const next = tokens[index + 1];
        const isBuilder = builders.test(token.text) && next?.text === '(';
        const isTagged = token.text === 'sql' && (next?.kind === 'template' || next?.text === '<');
        if (token.kind !== 'name' || !(isBuilder || isTagged)) return [];
        return [{ path, line: token.line, message: `${token.text} is a query; move it into store.ts of this domain` }];
      }),
    );
