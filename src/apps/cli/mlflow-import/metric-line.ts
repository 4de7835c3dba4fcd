import type { SourceMetric } from './source.ts';

/**
 * A line of a metric's file: `<timestamp> <value> [<step>] [<run>] [<data set> <digest>]`, where only a file of a
 * logged model names the run that measured it. `undefined` for a line that is none.
 */
export function metricLine(key: string, line: string, of: 'run' | 'model'): SourceMetric | undefined {
  const [timestamp = '', value = '', step = '0', ...rest] = line.trim().split(' ');
  const number = numberIn(value);
  if (!/^-?\d{1,16}$/.test(timestamp) || number === undefined || !/^-?\d{1,16}$/.test(step)) return undefined;
  const run = of === 'model' ? rest.shift() : undefined;
  const [name, digest] = rest;
  return {
    key,
    value: number,
    timestamp: Number(timestamp),
    step: Number(step),
    ...(run === undefined ? {} : { run_id: run }),
    ...(name === undefined ? {} : { dataset_name: name }),
    ...(digest === undefined ? {} : { dataset_digest: digest }),
  };
}

/** Python writes `nan`, `inf` and `-inf`. */
function numberIn(text: string): number | string | undefined {
  const special = { nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' } as const;
  if (Object.hasOwn(special, text)) return special[text as keyof typeof special];
  const number = Number(text);
  return text === '' || Number.isNaN(number) ? undefined : number;
}
