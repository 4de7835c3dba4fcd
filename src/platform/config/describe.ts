import { expectedOf, KEYS } from './keys.ts';

/** The reference page of the configuration, in Markdown: what `docs/reference/configuration.md` holds. */
export function describeConfig(): string {
  const rows = Object.values(KEYS).map((key) => {
    const unit = 'unit' in key ? ` (${key.unit})` : '';
    const value = key.default === '' ? '(empty)' : `\`${key.default}\``;
    return `| \`${key.env}\` | ${value} | ${expectedOf(key)}${unit} | ${key.reason} |`;
  });
  return [
    '# Configuration',
    '',
    'Read once, when a process starts. A flag of the command line comes before the environment, the environment before',
    'the default. A value that does not fit, and a variable that begins with `KEDGE_` and is none of these, end the',
    'process with every problem named.',
    '',
    '| Variable | Default | Takes | What it does |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
