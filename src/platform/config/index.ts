import { defineErrors, type FieldIssue } from '#core/errors';
import { type ConfigKey, expectedOf, KEYS, type KeyName } from './keys.ts';

export { type ContainerEnvironment, containerEnvironment } from './container.ts';
export { describeConfig } from './describe.ts';
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
      issues.push({ path: name, message: 'is not a configuration key (docs/reference/configuration.md lists them)' });
    }
  }
  const config: Record<string, string | number | boolean> = {};
  for (const [name, key] of Object.entries(KEYS)) {
    const given = overrides[name as KeyName] ?? environment[key.env];
    const value = given === undefined ? key.default : parse(given, key);
    if (value === undefined) issues.push({ path: key.env, message: `expected ${expectedOf(key)}, found '${given}'` });
    else config[name] = value;
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

/** What a step of a pipeline gave the command that it is: paths by the variables' last part, and its parameters. */
export interface StepEnvironment {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Paths of the JSON files of its parameters and, to be written, of its result. */
  readonly params: string;
  readonly result: string;
}

/** `undefined` outside a step. */
export function stepEnvironment(environment: NodeJS.ProcessEnv = process.env): StepEnvironment | undefined {
  const { KEDGE_PARAMS: params, KEDGE_RESULT: result } = environment;
  if (params === undefined || result === undefined) return undefined;
  const named = (prefix: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(environment).flatMap(([name, value]) =>
        name.startsWith(prefix) && value !== undefined ? [[name.slice(prefix.length), value]] : [],
      ),
    );
  return { inputs: named('KEDGE_INPUT_'), outputs: named('KEDGE_OUTPUT_'), params, result };
}

/** Variables of the same family that are not configuration: of the test suite, and of steps that run this command. */
const FOREIGN = /^KEDGE_(CI|CI_.*|TEST_.*|CRASH_.*|PARAM_.*|INPUT_.*|OUTPUT_.*|PARAMS|RESULT|RUN|STEP|SEED)$/;

function parse(given: string | number | boolean, key: ConfigKey): string | number | boolean | undefined {
  if ('min' in key) {
    const value = typeof given === 'string' && given.trim() === '' ? Number.NaN : Number(given);
    return Number.isInteger(value) && value >= key.min && value <= key.max ? value : undefined;
  }
  if (typeof key.default === 'string') {
    const fits = key.form ? key.form.pattern.test(String(given)) : (key.oneOf?.includes(String(given)) ?? true);
    return fits ? String(given) : undefined;
  }
  if (given === true || given === 'true' || given === '1') return true;
  if (given === false || given === 'false' || given === '0') return false;
  return undefined;
}
