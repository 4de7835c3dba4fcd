import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayClient } from './gateway-client.ts';
import { Narrator } from './narrator.ts';
import { startPlatform } from './platform.ts';
import { Player } from './player.ts';
import { writeReport } from './report.ts';
import { FlightSource } from './source.ts';
import { playStory } from './story.ts';
import { Timeline } from './timeline.ts';

export interface DemoOptions {
  readonly quick?: boolean;
  readonly gateOff?: boolean;
  readonly seed?: string;
  readonly report?: string;
  readonly data?: string;
  readonly keep?: boolean;
}

/** Starts a fresh platform, applies the project, plays the months, tells what happened. */
export async function playDemo(options: DemoOptions): Promise<void> {
  const seed = Number(options.seed ?? 1);
  if (!Number.isInteger(seed) || seed < 0 || seed > 1_000)
    throw new Error('--seed: expected an integer from 0 to 1000');
  const startedAt = performance.now();
  const scratchDir = await mkdtemp(join(tmpdir(), 'kedge-demo-'));
  const dataDir = options.data ?? join(scratchDir, 'data');
  const timeline = new Timeline();
  const loading = FlightSource.open(flightsDir(), { scratchDir, seed });
  const starting = startPlatform(dataDir);
  const [source, platform] = await Promise.all([loading, starting]).catch(async (error) => {
    await Promise.allSettled([loading.then((loaded) => loaded.close()), starting.then((started) => started.stop())]);
    throw error;
  });
  const gateway = new GatewayClient(platform.gatewayUrl);
  let player: Player | undefined;
  const narrator = new Narrator(platform.kedge, timeline, () => player?.at ?? 0);
  player = new Player({ source, kedge: platform.kedge, gateway, narrator, timeline }, Date.UTC(2001, 0, 1));
  const stop = once(async () => {
    gateway.close();
    await source.close();
    await platform.stop();
    await rm(scratchDir, { recursive: true, force: true });
  });
  process.once('SIGINT', () => void stop().then(() => process.exit(130)));
  try {
    timeline.tell(null, `kedge up was ready after ${(platform.readyMs / 1_000).toFixed(1)} s: ${platform.kedge.url}`);
    const quick = options.quick === true;
    const gateOff = options.gateOff === true;
    const { hubs } = await playStory({ platform, source, gateway, narrator, player, timeline, quick, gateOff });
    const report = await writeReport({ platform, gateway, narrator, player, timeline, seed, quick, startedAt, hubs });
    if (options.report) await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`);
    if (options.keep) {
      timeline.tell(null, `the platform stays up at ${platform.kedge.url}; stop it with Ctrl-C`);
      await new Promise(() => {});
    }
  } finally {
    await stop();
  }
}

function flightsDir(): string {
  return join(dirname(fileURLToPath(import.meta.resolve('vega-datasets'))), '..', 'data');
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}
