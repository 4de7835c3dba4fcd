import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/**
 * Validates OpenLineage events, one a line on standard input, with the published JSON schemas: the event by
 * `OpenLineage.json`, each facet by the schema that it names. No package of a registry carries those schemas, so they
 * are read from a check-out of the specification:
 *
 *   kedge lineage events <run> | node tools/run.mjs tools/openlineage-schemas.ts <OpenLineage>/spec
 */
const EVENT = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent';
const PUBLISHED = 'https://openlineage.io/';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: tools/openlineage-schemas.ts <folder of the specification>');

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
const facetFolder = join(folder, 'facets');
const facetFiles = readdirSync(facetFolder).map((name) => join(facetFolder, name));
for (const file of [join(folder, 'OpenLineage.json'), ...facetFiles]) {
  if (file.endsWith('.json')) ajv.addSchema(JSON.parse(readFileSync(file, 'utf8')));
}

let [events, facets, problems] = [0, 0, 0];
for (const line of readFileSync(0, 'utf8')
  .split('\n')
  .filter((text) => text !== '')) {
  const event: unknown = JSON.parse(line);
  events += 1;
  check(EVENT, event, `event ${events}`);
  for (const { url, facet, path } of facetsIn(event, '')) {
    if (!url.startsWith(PUBLISHED)) continue;
    facets += 1;
    check(url, facet, `event ${events}${path}`);
  }
}
process.stdout.write(`${events} events, ${facets} facets, ${problems} problems\n`);
process.exitCode = problems > 0 || events === 0 ? 1 : 0;

function check(schema: string, value: unknown, what: string): void {
  const validate = ajv.getSchema(schema);
  if (!validate) report(`${what}: the specification has no ${schema}`);
  else if (!validate(value)) report(`${what}: ${ajv.errorsText(validate.errors)}`);
}

function report(problem: string): void {
  problems += 1;
  process.stderr.write(`${problem}\n`);
}

function facetsIn(
  value: unknown,
  path: string,
): { readonly url: string; readonly facet: object; readonly path: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, item]) => facetsIn(item, `${path}/${name}`));
  return '_schemaURL' in value ? [{ url: String(value._schemaURL), facet: value, path }, ...inside] : inside;
}
