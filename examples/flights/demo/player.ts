import type { Kedge } from 'kedge';
import type { GatewayClient, PredictRequest } from './gateway-client.ts';
import type { Narrator } from './narrator.ts';
import { until } from './patience.ts';
import type { Departure, FlightSource } from './source.ts';
import type { Timeline } from './timeline.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A request as it was answered, kept for the table at the end. */
export interface Scored {
  readonly flight: Departure;
  readonly revision: string;
  readonly probability: number;
}

/** One in so many flights is asked about: densely while two models are compared, sparsely else. */
const DENSE = 4;
const SPARSE = 40;

/** A pipeline takes seconds, and a minute when its workers are killed; what takes longer than this hangs. */
export const WORK_WITHIN_MS = 600_000;

/** The control plane answers as soon as it has settled; after this time what happened meanwhile is told. */
const SETTLED_WAIT_MS = 1_000;

export interface PlayerDeps {
  readonly source: FlightSource;
  readonly kedge: Kedge;
  readonly gateway: GatewayClient;
  readonly narrator: Narrator;
  readonly timeline: Timeline;
}

/**
 * The world outside the platform, played in event time: reports come in, flights leave and are asked about, labels
 * follow when they have landed. Event time stands still while the platform works. A day's reports are sent before the
 * day's requests, which is safe because features are read as of each request's minute and see only what was known by
 * then.
 */
export class Player {
  readonly #deps: PlayerDeps;
  readonly scored = new Map<string, Scored>();
  #pendingLabels: { readonly id: string; readonly flight: Departure }[] = [];
  #garbledFrom = Number.POSITIVE_INFINITY;
  #garbledTo = Number.NEGATIVE_INFINITY;
  #dense = false;
  #denseTo = Number.NEGATIVE_INFINITY;
  #settled = false;
  #reported = 0;
  at: number;

  constructor(deps: PlayerDeps, startAt: number) {
    this.#deps = deps;
    this.at = startAt;
  }

  /** From `from` to `to` the hubs report delays in seconds. */
  garble(from: number, to: number): void {
    this.#garbledFrom = from;
    this.#garbledTo = to;
  }

  /** Until `to` flights are asked about densely, whether or not models are compared. */
  askDensely(to: number): void {
    this.#denseTo = to;
  }

  /** Reports only, day by day, without traffic. */
  async history(to: number): Promise<void> {
    for (; this.at < to; this.at += DAY) {
      const end = Math.min(this.at + DAY, to);
      const reported = this.#report(this.at, end);
      if (end < to) this.#deps.source.prepareReports(end, Math.min(end + DAY, to));
      await reported;
      this.#progress('ingesting');
    }
    await this.settle();
  }

  /** Plays until `to`, or until `stop` says so at the end of an hour. */
  async play(to: number, stop?: () => Promise<boolean> | boolean): Promise<void> {
    while (this.at < to) {
      const dayEnd = Math.min(Math.floor(this.at / DAY) * DAY + DAY, to);
      const flights = await this.#deps.source.departures(this.at, dayEnd, DENSE);
      const hourly = this.at < this.#garbledTo && dayEnd > this.#garbledFrom;
      if (!hourly) await this.#report(Math.max(this.at, this.#reported), dayEnd);
      if (dayEnd < to) this.#prepare(dayEnd, Math.min(dayEnd + DAY, to));
      while (this.at < dayEnd) {
        const end = this.#dense || hourly ? Math.min(this.at + HOUR, dayEnd) : dayEnd;
        if (hourly) await this.#report(Math.max(this.at, this.#reported), end);
        if (!this.#settled) await this.settle();
        await this.#ask(flights.filter((flight) => flight.departedAt >= this.at && flight.departedAt < end));
        this.at = end;
        await this.#tell();
        this.#progress('serving');
        if (await stop?.()) return;
      }
    }
  }

  /** Waits until the platform has done all that follows from what it was told, and the gateway answers accordingly. */
  async settle(): Promise<void> {
    const { kedge, gateway, narrator } = this.#deps;
    await gateway.flush();
    let missing = 'anything';
    const settled = async (): Promise<true | undefined> => {
      const { settled, activeRuns, eventsHandled } = await kedge.activity.getSettled({
        query: { waitMs: SETTLED_WAIT_MS },
      });
      await narrator.catchUp();
      missing = `${activeRuns} pipeline runs are active, events are ${eventsHandled ? '' : 'not all '}handled`;
      return settled || undefined;
    };
    await until(() => `the platform to settle: ${missing}`, settled, WORK_WITHIN_MS);
    const { items } = await kedge.serving.listEndpoints();
    const rollout = items[0]?.rollout;
    this.#dense = rollout !== undefined && rollout !== null && (rollout.stage !== 'probation' || rollout.forced);
    if (items[0]?.current) await this.#sameRouting();
    this.#settled = true;
  }

  async #sameRouting(): Promise<void> {
    const { kedge, gateway } = this.#deps;
    let versions = '';
    const same = async (): Promise<true | undefined> => {
      const { version } = await kedge.serving.pollRouting({ query: { after: -1 } });
      const { routing } = await gateway.flush();
      versions = `it has ${routing}, the control plane ${version}`;
      return routing >= version || undefined;
    };
    await until(() => `the gateway to take over the routing table: ${versions}`, same);
  }

  /** What a day brings is worked out while the platform is busy with the day before. */
  #prepare(from: number, to: number): void {
    const { source } = this.#deps;
    source.prepareDepartures(from, to, DENSE);
    if (to <= this.#garbledFrom || from >= this.#garbledTo) source.prepareReports(from, to);
  }

  async #report(from: number, to: number): Promise<void> {
    const garbled = from >= this.#garbledFrom && from < this.#garbledTo;
    const bytes = await this.#deps.source.reports(from, to, { garbled });
    this.#reported = to;
    this.#settled = false;
    if (!bytes) return;
    const batch = new Date(from).toISOString().slice(0, to - from >= DAY ? 10 : 13);
    await this.#deps.kedge.datasets.commitBatch({
      params: { dataset: 'flights', batch },
      upload: { contentType: 'application/vnd.apache.parquet', bytes },
    });
  }

  async #ask(flights: readonly Departure[]): Promise<void> {
    const chosen =
      this.#dense || this.at < this.#denseTo ? flights : flights.filter((flight) => flight.sample % SPARSE === 0);
    const byId = new Map(chosen.map((flight) => [`flight-${flight.flight}`, flight]));
    const requests = [...byId].map(([id, flight]): PredictRequest => {
      const { origin, destination, hour, minute, weekday, distance } = flight;
      return {
        id,
        at: flight.departedAt,
        entities: { origin, destination },
        inputs: { hour, minute, weekday, distance, origin, destination },
      };
    });
    await this.#deps.gateway.predictAll('late-arrivals', requests, ({ id }, answer) => {
      const flight = byId.get(id) as Departure;
      this.scored.set(id, { flight, revision: answer.revision, probability: answer.output.probability });
      this.#pendingLabels.push({ id, flight });
    });
  }

  /** Sends the labels of flights that have landed by now, then says that the stream is complete up to now. */
  async #tell(): Promise<void> {
    const { kedge, gateway } = this.#deps;
    await gateway.flush();
    const landed = this.#pendingLabels.filter(({ flight }) => flight.reportedAt < this.at);
    this.#pendingLabels = this.#pendingLabels.filter(({ flight }) => flight.reportedAt >= this.at);
    for (let from = 0; from < landed.length; from += 1_000) {
      const labels = landed.slice(from, from + 1_000).map(({ id, flight }) => ({
        prediction: id,
        value: flight.late ? (1 as const) : (0 as const),
        at: flight.departedAt,
        knownAt: flight.reportedAt,
      }));
      await kedge.monitoring.recordLabels({ body: { labels } });
    }
    await kedge.monitoring.advanceWatermark({ params: { endpoint: 'late-arrivals' }, body: { to: this.at } });
    await this.settle();
  }

  #progress(what: string): void {
    const { timeline, gateway } = this.#deps;
    timeline.progress(this.at, [what, `${gateway.answered.toLocaleString('en')} predictions`]);
  }
}
