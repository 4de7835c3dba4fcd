import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { seededRandom } from '#core/random';
import type { RoutedEndpoint } from '../routing.ts';
import { endpointOf, type GatewayHarness, openGateway } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';

const MODELS = 110;
const RESIDENT = 8;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('many more models than memory holds', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      // A model counts a mebibyte and twice its file.
      limits: { modelMemoryBytesMax: RESIDENT * 1.01 * 1024 * 1024, predictTimeoutMs: 60_000 },
      table: async (put) => {
        const endpoints: Record<string, RoutedEndpoint> = {};
        for (let i = 0; i < MODELS; i++) {
          const arm = await put(logisticModel({ x: i / 10 }), `m-${i}`, 1);
          endpoints[`e-${i}`] = endpointOf(`e-${i}`, arm, { timeoutMs: 60_000 });
        }
        return { version: 1, endpoints };
      },
    });
  });
  after(() => harness.close());

  async function events(): Promise<Readonly<Record<string, number>>> {
    const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();
    const found = text.matchAll(/kedge_gateway_models_total\{event="(\w+)".*\} (\d+)/g);
    return Object.fromEntries([...found].map(([, event = '', count]) => [event, Number(count)]));
  }

  async function predict(i: number): Promise<void> {
    const { status, body } = await harness.post(`/v1/endpoints/e-${i}/predict`, { inputs: { x: 1 } });
    assert.equal(status, 200, body.detail);
    assert.ok(Math.abs(body.output.probability - sigmoid(i / 10)) < 1e-6, `${i}: ${body.output.probability}`);
  }

  test('a table of many models comes into force without loading them all', async () => {
    const { loaded = 0 } = await events();
    assert.ok(loaded >= RESIDENT / 2 && loaded <= 3 * RESIDENT, `${loaded}`);
  });

  test('every request is answered by its own model while others are loaded and leave', async () => {
    const { loaded: already = 0 } = await events();
    const random = seededRandom(7);
    // By Zipf's law with exponent 1: the n-th model is asked a 1/n of the times that the first one is.
    const weights = Array.from({ length: MODELS }, (_, i) => 1 / (i + 1));
    const sum = weights.reduce((a, b) => a + b, 0);
    const draw = (): number => {
      let left = random.next() * sum;
      for (const [i, weight] of weights.entries()) {
        left -= weight;
        if (left <= 0) return i;
      }
      return 0;
    };
    const clients = Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 12; i++) await predict(draw());
    });
    await Promise.all(clients);

    const { loaded = 0, evicted = 0, failed = 0 } = await events();
    assert.equal(failed, 0);
    assert.ok(evicted > RESIDENT, `${evicted}`);
    assert.ok(loaded - evicted <= RESIDENT, `${loaded - evicted} are in memory`);
    assert.ok(loaded - already < 96, `${loaded} loads for 96 requests`);
  });

  test('a herd that comes for one model has it loaded once', async () => {
    for (let i = 0; i < RESIDENT; i++) await predict(40 + i);
    const before = await events();
    await Promise.all(Array.from({ length: 20 }, () => predict(MODELS - 1)));

    assert.equal((await events())['loaded'], (before['loaded'] ?? 0) + 1);
  });
});
