import type { LoopPlatform } from './loop-platform.ts';
import { HOUR, type Ride, reportOf, type Town } from './town.ts';

export interface Answer {
  readonly id: string;
  readonly revision: string;
  readonly arm: 'current' | 'candidate';
  readonly output: { readonly probability: number };
  readonly fallback?: boolean;
}

export interface PlayerOptions {
  readonly platform: LoopPlatform;
  readonly town: Town;
  readonly endpoint: string;
  /** Sends the reports of rides to this dataset; none are sent unless told. */
  readonly dataset?: string;
  readonly startAt: number;
}

/**
 * The world outside the platform, hour by hour in event time: reports come in, rides begin and are asked about, labels
 * follow as they become known, and the watermark is declared. Time stands still while the platform works, so the same
 * town gives the same history every time.
 */
export class TownPlayer {
  readonly #options: PlayerOptions;
  readonly #unlabelled: Ride[] = [];
  /** How a ride is told in its report; as it was unless told. */
  reportAs: (ride: Ride) => Ride = (ride) => ride;
  /** Whose labels are kept back, into {@link withheld}. */
  withhold: (ride: Ride) => boolean = () => false;
  readonly withheld: Ride[] = [];
  at: number;
  /** Answers of the last hour that was played. */
  answers: readonly Answer[] = [];
  /** Requests that were answered with an error, since the start. */
  failures = 0;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.at = options.startAt;
  }

  /** Reports only, in one batch, without traffic. */
  async history(to: number): Promise<void> {
    await this.#report(to);
    this.at = to;
    await this.#options.platform.settle();
  }

  /** Plays hours until `to`, or until `stop` says so after one of them. Tells whether it did. */
  async play(to: number, stop: () => Promise<boolean> | boolean = () => false): Promise<boolean> {
    while (this.at < to) {
      await this.hour();
      if (await stop()) return true;
    }
    return false;
  }

  async hour(): Promise<void> {
    const { platform, town } = this.#options;
    const end = this.at + HOUR;
    // Reads are as of each ride, so what is reported in the hour is there but not seen before it was known.
    await this.#report(end);
    await platform.settle();
    const rides = town.rides(this.at, end);
    this.answers = await this.ask(rides);
    for (const ride of rides) (this.withhold(ride) ? this.withheld : this.#unlabelled).push(ride);
    this.at = end;
    await this.#tell();
  }

  /** Asks about rides, all in one request. Those that are answered with an error are counted and left out. */
  async ask(rides: readonly Ride[]): Promise<readonly Answer[]> {
    const { platform, endpoint } = this.#options;
    const instances = rides.map(({ id, at, zone, car, x }) => ({ id, at, entities: { zone }, inputs: { x, car } }));
    const response = await fetch(`${platform.gatewayUrl}/v1/endpoints/${endpoint}/predict`, {
      method: 'POST',
      body: JSON.stringify({ instances }),
    });
    const body = (await response.json()) as { readonly predictions?: readonly (Answer & { error?: unknown })[] };
    const answers = (body.predictions ?? []).filter(({ error }) => error === undefined);
    this.failures += rides.length - answers.length;
    return answers;
  }

  async label(rides: readonly Ride[]): Promise<void> {
    if (rides.length === 0) return;
    const labels = rides.map(({ id, at, knownAt, late }) => ({ prediction: id, value: late, at, knownAt }));
    await this.#options.platform.kedge.monitoring.recordLabels({ body: { labels } });
  }

  /** Sends the labels that are known by now, then says that the stream is complete up to now. */
  async #tell(): Promise<void> {
    const { platform, endpoint } = this.#options;
    await platform.flush();
    const waiting = this.#unlabelled.splice(0);
    await this.label(waiting.filter(({ knownAt }) => knownAt < this.at));
    this.#unlabelled.push(...waiting.filter(({ knownAt }) => knownAt >= this.at));
    await platform.kedge.monitoring.advanceWatermark({ params: { endpoint }, body: { to: this.at } });
    await platform.settle();
  }

  async #report(to: number): Promise<void> {
    const { platform, town, dataset } = this.#options;
    if (!dataset) return;
    await platform.kedge.datasets.commitBatch({
      params: { dataset, batch: new Date(this.at).toISOString().slice(0, 13) },
      upload: reportOf(town.known(this.at, to).map(this.reportAs)),
    });
  }
}
