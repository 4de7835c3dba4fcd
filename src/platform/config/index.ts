import { defineErrors, type FieldIssue } from '#core/errors';
import { KEYS, type KeyName } from './keys.ts';

export { KEYS, type KeyName } from './keys.ts';

export const configErrors = defineErrors('config', {
  invalid: { status: 400, title: 'The configuration cannot be used' },
});

export type Config = {
  readonly [Name in KeyName]: (typeof KEYS)[Name]['default'] extends number
    ? number
    : (typeof KEYS)[Name]['default'] extends boolean
      ? boolean
      : string;
};

/** What a key may be given as: by the command line, or by the environment. */
export type Overrides = { readonly [Name in KeyName]?: string | number | boolean | undefined };

/**
 * Reads the configuration once. Order: `overrides` (command line), environment, default. Everything wrong with it is
 * told at once, each with the variable's name and what was expected.
 */
export function loadConfig(overrides: Overrides = {}, environment: NodeJS.ProcessEnv = process.env): Config {
  const issues: FieldIssue[] = [];
  const known = new Set<string>(Object.values(KEYS).map((key) => key.env));
  for (const name of Object.keys(environment)) {
    if (name.startsWith('KEDGE_') && !known.has(name) && !FOREIGN.test(name)) {
      issues.push({ path: name, message: 'is not a configuration key (kedge config lists them)' });
    }
  }
  const config: Record<string, string | number | boolean> = {};
  for (const [name, key] of Object.entries(KEYS)) {
    const given = overrides[name as KeyName] ?? environment[key.env];
    const value = given === undefined ? key.default : parse(given, key.default);
    if (value === undefined || ('min' in key && ((value as number) < key.min || (value as number) > key.max))) {
      const range = 'min' in key ? ` from ${key.min} to ${key.max}` : '';
      issues.push({ path: key.env, message: `expected a ${typeof key.default}${range}, found '${given}'` });
      continue;
    }
    config[name] = value;
  }
  if (issues.length > 0) throw configErrors.invalid('the configuration cannot be used', issues);
  return Object.freeze(config) as Config;
}

/** The environment of this process without Kedge's own variables, for programs that it starts. */
export function inheritedEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name, value]) => !name.startsWith('KEDGE_') && value !== undefined),
  ) as Record<string, string>;
}

/** The environment from which a child process reads this configuration, beside everything else that it inherits. */
export function childEnvironment(config: Config, environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith('KEDGE_'));
  const keys = Object.entries(KEYS).map(([name, key]) => [key.env, String(config[name as KeyName])]);
  return Object.fromEntries([...inherited, ...keys]) as Record<string, string>;
}

/** Variables of the same family that are not configuration: of the test suite, and of steps that run this command. */
const FOREIGN = /^KEDGE_(CI|TEST_.*|PARAM_.*|INPUT_.*|OUTPUT_.*|PARAMS|RESULT|RUN|STEP|SEED)$/;

function parse(
  given: string | number | boolean,
  like: string | number | boolean,
): string | number | boolean | undefined {
  if (typeof like === 'string') return String(given);
  if (typeof like === 'number') {
    const value = typeof given === 'number' ? given : given.toString().trim() === '' ? Number.NaN : Number(given);
    return Number.isFinite(value) ? value : undefined;
  }
  if (given === true || given === 'true' || given === '1') return true;
  if (given === false || given === 'false' || given === '0') return false;
  return undefined;
}
