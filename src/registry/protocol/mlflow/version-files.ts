import type { ForeignReply, ForeignRequest, ForeignRoute, ProtocolGroup, RequestContext } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import { jsonReply, mlflowErrors } from '#tracking/mlflow';
import { modelKey, partsOfKey } from '../../model.ts';
import type { RegistryService } from '../../service.ts';
import type { ModelVersion, VersionArtifact } from '../../shapes.ts';
import { allowed } from './models.ts';

const ROOT = 'versions';

/**
 * Where clients download a version: its own files, so that what becomes of the run or logged model does not matter. A
 * model that is kept elsewhere is downloaded there.
 */
export function versionUri({ model, version, artifacts, source }: ModelVersion): string {
  if (artifacts.length === 0) return source;
  return `mlflow-artifacts:/${ROOT}/${encodeURIComponent(partsOfKey(model).name)}/${version}`;
}

/** What becomes of the proxy's routes below `versions/`, for reading only. */
type Answer = (request: ForeignRequest, ctx: RequestContext, place: VersionPath) => Promise<ForeignReply>;

/**
 * MLflow's artifact proxy with the files of registered versions below `versions/<model>/<number>`, where nothing can be
 * written or removed. Every other path is the proxy's own.
 */
export function withVersionFiles(
  group: ProtocolGroup,
  { service, blobs }: { readonly service: RegistryService; readonly blobs: Pick<BlobStore, 'get'> },
): ProtocolGroup {
  const list: Answer = async (_request, ctx, place) => listing(await filesAt(service, ctx, place), place.path);
  const read: Answer = async (request, ctx, place) =>
    file(blobs, request, findFile(await filesAt(service, ctx, place), place));
  const refuse: Answer = async () => {
    throw mlflowErrors.RESOURCE_CONFLICT('The files of a registered version cannot be changed.');
  };
  const guarded = (route: ForeignRoute): ForeignRoute => {
    const isFile = route.paths.some((path) => /\/mlflow-artifacts\/.*\/\*$/.test(path));
    const isListing = route.paths.some((path) => path.endsWith('/mlflow-artifacts/artifacts'));
    if (!isFile && !isListing) return route;
    const writes = !('reads' in route);
    const answer = writes ? refuse : isFile ? read : list;
    return {
      ...route,
      async handler(request, ctx) {
        const rooted = isFile ? (request.params['*'] ?? '') : (request.query.get('path') ?? '');
        const place = versionPath(rooted);
        if (place) return answer(request, ctx, place);
        return route.handler(request, ctx);
      },
    };
  };
  return { ...group, routes: group.routes.map(guarded) };
}

interface VersionPath {
  readonly name: string;
  readonly version: number;
  readonly path: string;
}

/** `versions/<model>/<number>[/<path>]`; `undefined` for what is not below `versions`. */
function versionPath(rooted: string): VersionPath | undefined {
  const [root, name = '', version = '', ...path] = rooted.replace(/\/+$/, '').split('/');
  if (root !== ROOT) return undefined;
  if (!/^\d{1,15}$/.test(version)) throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`There is nothing at '${rooted}'.`);
  return { name: decoded(name), version: Number(version), path: path.join('/') };
}

async function filesAt(
  service: RegistryService,
  ctx: RequestContext,
  { name, version }: VersionPath,
): Promise<readonly VersionArtifact[]> {
  await allowed(service, ctx, { name, level: 'READ' });
  const model = modelKey(ctx.project, name);
  await service.requireLive(model, version);
  return (await service.getVersion(model, version)).artifacts;
}

function findFile(files: readonly VersionArtifact[], { name, version, path }: VersionPath): VersionArtifact {
  const found = files.find((one) => one.path === path);
  if (found) return found;
  throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`Version ${version} of '${name}' has no file '${path}'.`);
}

/** What lies right in a folder. */
function listing(files: readonly VersionArtifact[], folder: string): ForeignReply {
  const below = folder === '' ? '' : `${folder}/`;
  const entries = new Map<string, object>();
  for (const { path, bytes } of files) {
    if (!path.startsWith(below)) continue;
    const [name = '', ...rest] = path.slice(below.length).split('/');
    const isFile = rest.length === 0;
    entries.set(name, isFile ? { path: name, is_dir: false, file_size: bytes } : { path: name, is_dir: true });
  }
  return jsonReply({ files: [...entries.values()] });
}

/** The file, or the part of it that begins where a client's download broke off. */
async function file(
  blobs: Pick<BlobStore, 'get'>,
  { headers }: ForeignRequest,
  { digest, bytes }: VersionArtifact,
): Promise<ForeignReply> {
  const shared = {
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-type': 'application/octet-stream',
    'x-content-type-options': 'nosniff',
  };
  const [, from, to] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(String(headers['range'] ?? '')) ?? [];
  const start = Number(from ?? 0);
  const end = to ? Math.min(Number(to) + 1, bytes) : bytes;
  if (from === undefined || start >= end) {
    return { headers: { ...shared, 'content-length': String(bytes) }, body: await blobs.get(digest) };
  }
  const length = String(end - start);
  const range = `bytes ${start}-${end - 1}/${bytes}`;
  const body = await blobs.get(digest, { start, end });
  return { status: 206, headers: { ...shared, 'content-range': range, 'content-length': length }, body };
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
