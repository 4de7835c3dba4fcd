import { parseArgs } from 'node:util';
import { measureRates } from './rates.ts';
import { measureStart } from './start.ts';

/**
 * What the platform costs by itself: how long `kedge up` takes until it is ready, what its processes use while nothing
 * happens, and how fast changes are committed, delivered, verified and stored, beside the bare engines below.
 *
 *     node bench/platform/bench.ts [--starts 5] [--idle-seconds 15] [--seconds 3] [--json]
 *
 * `--seconds` is how long each rate is measured. PostgreSQL is measured where `KEDGE_TEST_POSTGRES_URL` names one.
 * Processor time and memory are read from /proc, so the first part needs Linux.
 */
const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '5' },
    'idle-seconds': { type: 'string', default: '15' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});

const rates = await measureRates(Number(values.seconds));
const start = await measureStart({ starts: Number(values.starts), idleSeconds: Number(values['idle-seconds']) });
if (values.json) {
  console.log(JSON.stringify({ bench: 'platform', start, rates }, null, 2));
} else {
  const { processes, freshAllMs, againAllMs, ...figures } = start;
  console.table({ ...figures, freshAllMs: freshAllMs.join(' '), againAllMs: againAllMs.join(' ') });
  console.table(processes);
  console.table(rates);
}
