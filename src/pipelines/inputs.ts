import { z } from 'zod';
import { parseReference } from './references.ts';

/**
 * What an input of a pipeline is: one file or directory, the list of those that the units of a step wrote (`files`,
 * `directories`), JSON that a step returned, or what a reference of that kind stands for (`dataset`).
 */
const inputType = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,39}$/,
    'expected file, directory, files, directories, json or the kind of a reference, as in dataset',
  );

/** Something that a pipeline is given, by the step that runs it or by whoever starts it. */
export const inputDeclaration = z
  .strictObject({
    type: inputType.default('file'),
    /** What it is if nothing is given: `dataset:flights`. */
    default: z.string().max(130).optional(),
    description: z.string().max(500).optional(),
  })
  .superRefine(({ type, default: text }, issues) => {
    if (text === undefined || parseReference(text)?.kind === type) return;
    issues.addIssue({ code: 'custom', path: ['default'], message: `expected ${type}:<name>, as the type is ${type}` });
  });
export type InputDeclaration = z.output<typeof inputDeclaration>;

/**
 * Whether something of one type may stand where another is declared. A file may hold anything; a list or a directory is
 * none.
 */
export function fitsInput(type: string, declared: string): boolean {
  return type === declared || (type === 'json' && declared === 'file');
}
