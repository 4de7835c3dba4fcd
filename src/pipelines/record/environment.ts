import { z } from 'zod';

const word = z.string().min(1).max(200);

/** The program that a command named, when it is one that tells about itself. */
const interpreter = z.strictObject({
  /** `python`, `node`, `r`, … */
  name: word,
  version: word,
  /** What is installed for it: how many packages, and the digest of the sorted lines `name==version`. */
  packages: z
    .strictObject({
      count: z.number().int().min(0),
      digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    })
    .optional(),
});

/** Where an attempt ran, as its worker saw it. Equal machines give equal descriptions. */
export const environmentSchema = z.strictObject({
  kedge: word,
  node: word,
  platform: word,
  arch: word,
  /** The release of the operating system. */
  release: word,
  interpreter: interpreter.optional(),
});
export type Environment = z.output<typeof environmentSchema>;
export type Interpreter = z.output<typeof interpreter>;
