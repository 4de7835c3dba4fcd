/** What a path of the protocol addresses. */
export interface Target {
  readonly what:
    | 'server'
    | 'live'
    | 'server-ready'
    | 'metadata'
    | 'ready'
    | 'config'
    | 'statistics'
    | 'infer'
    | 'result'
    | 'callback'
    | 'index'
    | 'load'
    | 'unload';
  readonly method: 'GET' | 'POST';
  readonly model: string;
  readonly version: string | undefined;
  /** The id of an answer that was not waited for. */
  readonly result?: string;
}

const FIXED: ReadonlyMap<string, Pick<Target, 'what' | 'method'>> = new Map([
  ['/v2', { what: 'server', method: 'GET' }],
  ['/v2/health/live', { what: 'live', method: 'GET' }],
  ['/v2/health/ready', { what: 'server-ready', method: 'GET' }],
  ['/v2/models/stats', { what: 'statistics', method: 'GET' }],
  ['/v2/repository/index', { what: 'index', method: 'POST' }],
]);
const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer|config|stats))?$/;
const REPOSITORY = /^\/v2\/repository(?:\/[^/]+)?\/models\/([^/]+)\/(load|unload)$/;
const RESULT = /^\/v2\/results\/([^/]+)(\/callback)?$/;
/** Extensions of Triton's that have no meaning here: shared memory, tracing, the server's log, generation. */
const UNSUPPORTED = /^\/v2\/(?:(?:system|cuda)sharedmemory|trace|logging)(?:\/|$)|\/(?:trace\/setting|generate\w*)$/;

/** `undefined` for a path that the protocol does not know. */
export function targetOf(path: string): Target | undefined {
  const whole = path.length > 3 && path.endsWith('/') ? path.slice(0, -1) : path;
  const fixed = FIXED.get(whole);
  if (fixed) return { ...fixed, model: '', version: undefined };
  const model = MODEL.exec(whole);
  if (model) {
    const [, name = '', version, action] = model;
    const what = action === 'stats' ? 'statistics' : ((action as Target['what'] | undefined) ?? 'metadata');
    return { what, method: what === 'infer' ? 'POST' : 'GET', model: name, version };
  }
  const [, result, callback] = RESULT.exec(whole) ?? [];
  if (result !== undefined) {
    return { what: callback ? 'callback' : 'result', method: 'GET', model: '', version: undefined, result };
  }
  const repository = REPOSITORY.exec(whole);
  if (repository) {
    const [, name = '', what] = repository;
    return { what: what as 'load' | 'unload', method: 'POST', model: name, version: undefined };
  }
  return undefined;
}

/** Whether a path belongs to a part of Triton's protocol that is known and not offered. */
export function isUnsupported(path: string): boolean {
  return UNSUPPORTED.test(path);
}
