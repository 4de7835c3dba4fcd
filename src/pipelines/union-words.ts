import type { z } from 'zod';

/**
 * What is wrong with a value that is one of several shapes: the first issue of the shape whose name is among its keys,
 * in place of "invalid input". The names are those of the options of the union, in their order.
 */
export function unionWords(names: readonly string[]): (issue: z.core.$ZodRawIssue) => string {
  return (issue) => {
    const { input, errors = [] } = issue.code === 'invalid_union' ? issue : { input: issue.input };
    const given = input !== null && typeof input === 'object' ? Object.keys(input) : [];
    const meant = names.findIndex((name) => given.includes(name));
    const [first] = errors[meant] ?? [];
    if (!first) return `expected one of ${names.join(', ')}`;
    return `${first.path.join('.') || names[meant]}: ${first.message}`;
  };
}
