import type { ArtifactLock } from '#tracking';
import { partsOfKey } from './model.ts';
import { parseSource, type Source } from './sources.ts';
import type { Db, VersionKey } from './store/tables.ts';
import { registeredFrom } from './store/versions.ts';

/**
 * The version that a file or folder of a run or logged model is part of. A version has its own files for ever, whatever
 * becomes of those; but who changes them where they were logged means to change the model, and is told that it is one.
 */
export async function holderOf(db: Db, place: Source): Promise<VersionKey | undefined> {
  if (place.kind !== 'run' && place.kind !== 'logged-model') return undefined;
  const versions = await registeredFrom(db, { kind: place.kind, id: ownerOf(place) ?? '' });
  return versions.find(({ source }) => {
    const from = parseSource(source);
    const isOwn = from.kind === place.kind && ownerOf(from) === ownerOf(place);
    return isOwn && (isWithin(place.folder, from.folder) || isWithin(from.folder, place.folder));
  });
}

/** Answers tracking's port: what of a run or logged model has become part of a version stays as it is. */
export const registeredFiles: ArtifactLock = {
  async holder(db, { owner, path: folder }, access) {
    if (owner.kind !== 'run' && owner.kind !== 'model') return undefined;
    const { id } = owner;
    const place: Source =
      owner.kind === 'run' ? { kind: 'run', run: id, folder } : { kind: 'logged-model', model: id, folder };
    const held = await holderOf(db, place);
    if (!held) return undefined;
    const { name } = partsOfKey(held.model);
    const isVisible = !access || access.levelOn(`model/${name}`) !== undefined;
    return isVisible ? `version ${held.version} of '${name}'` : 'a version of a model';
  },
};

function ownerOf(source: Source): string | undefined {
  if (source.kind === 'run') return source.run;
  return source.kind === 'logged-model' ? source.model : undefined;
}

function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}
