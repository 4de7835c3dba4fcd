export type { ArtifactLock } from './lock.ts';
export { artifactMigrations } from './migrations.ts';
export { type ArtifactOwner, type ArtifactPlace, artifactPlace, subjectOf } from './owner.ts';
export { type ArtifactEntry, ArtifactService } from './service.ts';
export { totalOf, tracesWithFiles } from './store/files.ts';
export { removeEverythingOf } from './store/uploads.ts';
export { type BegunUpload, UploadService } from './uploads.ts';
