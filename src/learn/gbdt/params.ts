import { errors } from './errors.ts';
import { GBDT_LIMITS } from './limits.ts';

export interface GbdtParams {
  /** `binary`: log loss on labels 0 and 1. `regression`: squared error. */
  readonly objective: 'binary' | 'regression';
  readonly trees: number;
  /** Leaves per tree; trees grow leaf by leaf, the one with the largest gain first. */
  readonly leaves: number;
  /** Factor on every leaf value (shrinkage). */
  readonly learningRate: number;
  /** Fewest training rows in a leaf, counted exactly. */
  readonly minLeafRows: number;
  /** L2 penalty on leaf values. */
  readonly l2: number;
  /** Bins per column for its values, at most 255. */
  readonly maxBins: number;
  /** Share of the columns that each tree may use. */
  readonly featureFraction: number;
  /** Share of the rows, drawn without replacement, that each tree sees (bagging). */
  readonly rowFraction: number;
  /** Stop when the validation loss has not improved for this many trees, and keep the best. */
  readonly earlyStoppingRounds?: number;
  readonly seed: number;
}

/** The defaults of LightGBM 4, so that figures can be compared. */
export const DEFAULT_GBDT_PARAMS: GbdtParams = {
  objective: 'binary',
  trees: 100,
  leaves: 31,
  learningRate: 0.1,
  minLeafRows: 20,
  l2: 0,
  maxBins: 255,
  featureFraction: 1,
  rowFraction: 1,
  seed: 1,
};

interface Range {
  readonly min: number;
  readonly max: number;
  readonly integer: boolean;
  /** The lower bound itself is refused. */
  readonly open?: boolean;
}

type NumericParam = Exclude<keyof GbdtParams, 'objective'>;

const RANGES: { readonly [Name in NumericParam]: Range } = {
  trees: { min: 1, max: GBDT_LIMITS.treesMax, integer: true },
  leaves: { min: 2, max: GBDT_LIMITS.leavesMax, integer: true },
  learningRate: { min: 0, max: 1, integer: false, open: true },
  minLeafRows: { min: 1, max: GBDT_LIMITS.rowsMax, integer: true },
  l2: { min: 0, max: 1e9, integer: false },
  maxBins: { min: 2, max: GBDT_LIMITS.binsMax, integer: true },
  featureFraction: { min: 0, max: 1, integer: false, open: true },
  rowFraction: { min: 0, max: 1, integer: false, open: true },
  earlyStoppingRounds: { min: 1, max: GBDT_LIMITS.treesMax, integer: true },
  seed: { min: 0, max: 2 ** 32 - 1, integer: true },
};

/** Fills in the defaults. Throws `gbdt/invalid-parameter` naming each parameter that is out of its range. */
export function completeParams(given: Partial<GbdtParams>): GbdtParams {
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const params: GbdtParams = { ...DEFAULT_GBDT_PARAMS, ...defined };
  const fields: { path: string; message: string }[] = [];
  for (const name of Object.keys(defined)) {
    if (name !== 'objective' && !(name in RANGES)) {
      fields.push({
        path: `params.${name}`,
        message: `is not a parameter; known are ${Object.keys(RANGES).join(', ')}`,
      });
    }
  }
  if (params.objective !== 'binary' && params.objective !== 'regression') {
    fields.push({ path: 'params.objective', message: `must be 'binary' or 'regression', got '${params.objective}'` });
  }
  for (const [name, range] of Object.entries(RANGES) as [NumericParam, Range][]) {
    const value = params[name];
    if (name === 'earlyStoppingRounds' && value === undefined) continue;
    if (!inRange(value, range)) fields.push({ path: `params.${name}`, message: `${describe(range)}, got ${value}` });
  }
  if (fields.length > 0) {
    throw errors['invalid-parameter'](fields.map((field) => `${field.path} ${field.message}`).join('; '), fields);
  }
  return params;
}

function inRange(value: unknown, { min, max, integer, open }: Range): boolean {
  if (typeof value !== 'number' || !(value >= min && value <= max)) return false;
  return (!open || value > min) && (!integer || Number.isInteger(value));
}

function describe({ min, max, integer, open }: Range): string {
  return `must be ${integer ? 'an integer' : 'a number'} ${open ? 'above' : 'from'} ${min} to ${max}`;
}
