import type { AdvanceView, SkewReport } from '../contract.ts';
import type { TimeRange } from '../model.ts';
import type { MonitoringDeps } from './deps.ts';
import { Evaluation } from './evaluation.ts';
import { Readings } from './readings.ts';
import { Recording } from './recording.ts';
import { auditSkew } from './skew-audit.ts';

/** The use cases of monitoring: what is recorded, what is evaluated, what is read. */
export class MonitoringService {
  readonly #deps: MonitoringDeps;
  readonly #evaluation: Evaluation;
  readonly recording: Recording;
  readonly readings: Readings;

  constructor(deps: MonitoringDeps) {
    this.#deps = deps;
    this.#evaluation = new Evaluation(deps);
    this.recording = new Recording(deps);
    this.readings = new Readings(deps);
  }

  advance(endpoint: string, to: number): Promise<AdvanceView> {
    return this.#evaluation.advance(endpoint, to);
  }

  followClock(signal: AbortSignal): Promise<void> {
    return this.#evaluation.followClock(signal);
  }

  auditSkew(endpoint: string, range: TimeRange & { readonly sample: number }): Promise<SkewReport> {
    return auditSkew(this.#deps, endpoint, range);
  }
}
