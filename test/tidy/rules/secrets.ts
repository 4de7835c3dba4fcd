import type { Rule, Violation } from '../source-file.ts';

const patterns: ReadonlyArray<readonly [RegExp, string]> = [
  [/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/, 'a private key'],
  [/\bAKIA[0-9A-Z]{16}\b/, 'an AWS access key'],
  [/\bgh[pousr]_[A-Za-z0-9]{36,}\b/, 'a GitHub token'],
  [/\bnpm_[A-Za-z0-9]{36}\b/, 'an npm token'],
  [/\bxox[abprs]-[A-Za-z0-9-]{20,}/, 'a Slack token'],
  [/\b_authToken\s*=\s*\S{8,}/, 'a registry token'],
];

/** What is in the repository is public; a key that was in it once has to be replaced. */
export const secrets: Rule = (files) =>
  files.flatMap(({ path, lines }): Violation[] => {
    if (/(^|\/)\.env(\.[\w-]+)?$|\.(pem|p12|pfx|key)$/.test(path)) {
      return [{ path, line: 1, message: 'this kind of file holds secrets; keep it out of the repository' }];
    }
    return lines.flatMap((text, index) => {
      const found = patterns.find(([pattern]) => pattern.test(text));
      return found ? [{ path, line: index + 1, message: `looks like ${found[1]}; remove it and replace the key` }] : [];
    });
  });
