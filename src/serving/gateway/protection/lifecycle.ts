import type { LifecycleSpec } from '../../protection-spec.ts';
import { gatewayErrors } from '../errors.ts';

/** How an endpoint that is on its way out says so. */
export class Lifecycle {
  /** Of every answer, as names and values. */
  readonly headers: readonly (readonly [string, string])[];
  readonly #sunsetAt: number;
  readonly #words: string;

  constructor(endpoint: string, spec: LifecycleSpec) {
    const { deprecated, sunset, link, successor } = spec;
    this.#sunsetAt = sunset === null ? Number.POSITIVE_INFINITY : Date.parse(sunset);
    const instead = successor === null ? '' : `; use '${successor}'`;
    this.#words = `'${endpoint}' was given up at ${sunset}${instead}`;
    const links = [
      ...(link === null ? [] : [`<${link}>; rel="deprecation"; type="text/html"`]),
      // RFC 5829: another version of the same, at the address that this one has among endpoints.
      ...(successor === null ? [] : [`</v1/endpoints/${successor}/predict>; rel="successor-version"`]),
    ];
    this.headers = [
      // RFC 9745: a date of RFC 9651, whole seconds since the epoch.
      ['Deprecation', `@${Math.floor(Date.parse(deprecated) / 1_000)}`],
      // RFC 8594: a date of HTTP.
      ...(sunset === null ? [] : [['Sunset', new Date(this.#sunsetAt).toUTCString()] as const]),
      ...(links.length === 0 ? [] : [['Link', links.join(', ')] as const]),
    ];
  }

  /** Errors: `gateway/gone` from the sunset on. */
  check(now: number): void {
    if (now >= this.#sunsetAt) throw gatewayErrors.gone(this.#words);
  }
}
