import type { RequestContext } from '#platform/http';
import type { VersionArtifact } from './shapes.ts';

/** Whose files a version is made of: those that a run or a logged model has at this moment. */
export interface SourceOwner {
  readonly runId: string | null;
  /** The latest value of each metric. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What lies below `folder`, by paths from there; an empty folder is everything. */
  files(folder: string): Promise<readonly VersionArtifact[]>;
}

/** What the registry asks of tracking. What is not in the caller's project, or not theirs to read, is not there. */
export interface ModelSources {
  /** Errors: those of tracking for a run that there is not. */
  run(context: RequestContext, run: string): Promise<SourceOwner>;
  /** Errors: those of tracking for a logged model that there is not. */
  loggedModel(context: RequestContext, model: string): Promise<SourceOwner>;
  /** What the steps of a pipeline's run made; `undefined` for a run that there is not, or not for the caller. */
  pipelineRun?(context: RequestContext, run: string): Promise<SourceOwner | undefined>;
}

/** Where a version is registered from, as read from its `source`. */
export type Source =
  | { readonly kind: 'run'; readonly run: string; readonly folder: string }
  | { readonly kind: 'logged-model'; readonly model: string; readonly folder: string }
  | { readonly kind: 'version'; readonly model: string; readonly version: number | { readonly alias: string } }
  | { readonly kind: 'external' }
  | { readonly kind: 'refused'; readonly why: string };

/** Where clients write past the server. The registry can say where such a model is, not what is in it. */
const EXTERNAL = new Set(['s3', 'gs', 'wasbs', 'abfss', 'adl', 'dbfs', 'hdfs', 'viewfs', 'r2', 'oss', 'http', 'https']);

/** Reads a source URI as MLflow's clients send it. */
export function parseSource(source: string): Source {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(source) ?? [];
  if (isUnsafe(source)) return { kind: 'refused', why: 'it has a path that leads elsewhere' };
  switch (scheme.toLowerCase()) {
    case 'models':
      return modelSource(pathOf(rest));
    case 'runs':
      return runSource(pathOf(rest));
    case 'mlflow-artifacts':
      return artifactSource(pathOf(rest));
    default:
      if (EXTERNAL.has(scheme.toLowerCase())) return { kind: 'external' };
      return { kind: 'refused', why: 'the server does not read files of a local path' };
  }
}

function modelSource(path: string | undefined): Source {
  const [first = '', second, ...more] = (path ?? '').split('/');
  if (/^m-[\w-]{1,254}$/.test(first) && second === undefined) return { kind: 'logged-model', model: first, folder: '' };
  const at = first.lastIndexOf('@');
  if (at > 0 && second === undefined) {
    return { kind: 'version', model: first.slice(0, at), version: { alias: first.slice(at + 1) } };
  }
  if (first !== '' && second !== undefined && /^\d{1,15}$/.test(second) && more.length === 0) {
    return { kind: 'version', model: first, version: Number(second) };
  }
  return { kind: 'refused', why: 'expected models:/m-<id>, models:/<name>/<version> or models:/<name>@<alias>' };
}

function runSource(path: string | undefined): Source {
  const [run = '', ...folder] = (path ?? '').split('/');
  if (!/^[A-Za-z0-9][\w-]{0,255}$/.test(run)) return { kind: 'refused', why: 'expected runs:/<run>/<path>' };
  return { kind: 'run', run, folder: folder.join('/') };
}

/** MLflow's layout: `<experiment>/<run>/artifacts[/<path>]`, `<experiment>/models/<model>/artifacts[/<path>]`. */
function artifactSource(path: string | undefined): Source {
  const [, model, inModel = ''] = /^\d+\/models\/(m-[\w-]{1,254})\/artifacts(?:\/(.*))?$/s.exec(path ?? '') ?? [];
  if (model !== undefined) return { kind: 'logged-model', model, folder: inModel };
  const [, run, inRun = ''] = /^\d+\/([A-Za-z0-9][\w-]{0,255})\/artifacts(?:\/(.*))?$/s.exec(path ?? '') ?? [];
  if (run !== undefined) return { kind: 'run', run, folder: inRun };
  const [, name, version] = /^versions\/([^/]+)\/(\d{1,15})$/.exec(path ?? '') ?? [];
  if (name !== undefined) return { kind: 'version', model: decoded(name), version: Number(version) };
  return { kind: 'refused', why: 'it is neither in a run, nor in a logged model, nor in a version' };
}

/** What follows `scheme:` without slashes around it; `undefined` where it names another server. */
function pathOf(rest: string): string | undefined {
  if (/^\/\/[^/]/.test(rest)) return undefined;
  return rest.replace(/^\/+|\/+$/g, '');
}

function isUnsafe(source: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  return /[\u0000-\u001f\u007f\\]|%2e|%2f|%5c|%00/i.test(source) || source.split(/[/?#]/).includes('..');
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
