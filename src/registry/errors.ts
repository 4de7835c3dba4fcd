import type { z } from 'zod';
import { defineErrors } from '#core/errors';

export const registryErrors = defineErrors('registry', {
  invalid: { status: 400, title: 'The input does not fit' },
  'invalid-cursor': { status: 400, title: 'The page to go on from is not one that was answered' },
  'missing-artifact': { status: 400, title: 'An artifact is not in the blob store' },
  'model-not-found': { status: 404, title: 'No such registered model' },
  'version-not-found': { status: 404, title: 'No such version' },
  'version-deleted': { status: 409, title: 'The version is deleted' },
  'version-in-use': { status: 409, title: 'The version holds an alias' },
  'artifact-not-found': { status: 404, title: 'The version has no such artifact' },
  'alias-not-found': { status: 404, title: 'No version holds this alias' },
  'model-exists': { status: 409, title: 'There is a model of this name' },
  'not-imported': { status: 409, title: 'It was made here, and not brought in from elsewhere' },
  'version-exists': { status: 409, title: 'Another version has this number' },
  source: { status: 400, title: 'Nothing can be registered from this source' },
  'not-ready': { status: 409, title: 'The version was not registered with a model' },
  'not-servable': { status: 409, title: 'The version has nothing that a gateway can score with' },
  'semantic-version-taken': { status: 409, title: 'Another version has this semantic version' },
  'reserved-tag': { status: 400, title: 'The registry keeps this tag itself' },
  immutable: { status: 409, title: 'This is part of what the version is for ever' },
  'gate-denied': { status: 403, title: 'The gate does not let this version pass' },
  busy: { status: 409, title: 'The version changed while the gate was deciding' },
  limit: { status: 409, title: 'The model or version holds as much as it may' },
});

/** The value if it fits its schema; otherwise `registry/invalid`, which names the first field and lists the others. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, 20).map((issue) => ({
    path: [name, ...issue.path].join('.'),
    message: issue.message,
  }));
  throw registryErrors.invalid(`${fields[0]?.path}: ${fields[0]?.message}`, fields);
}
