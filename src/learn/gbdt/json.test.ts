import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gbdtFromJson, gbdtToJson } from './json.ts';
import { predictGbdt } from './predict.ts';
import type { Table } from './table.ts';
import { numericTable, uniform } from './testing.ts';
import { trainGbdt } from './train.ts';

const rows = 600;
const [a, b] = [uniform(rows, 1).map((x) => (x < 0.1 ? Number.NaN : x)), uniform(rows, 2)];
const codes = Int32Array.from(b, (x) => Math.floor(x * 4) - 1);
const table: Table = {
  rows,
  columns: [...numericTable(a).columns, { name: 'c', kind: 'category', codes, categories: ['x', 'y', 'z'] }],
};
const label = Float32Array.from(a, (x, row) => (x > 0.5 !== codes[row]! > 0 ? 1 : 0));
const model = trainGbdt({ train: table, label, params: { trees: 7, leaves: 9 } });

test('a model survives JSON text unchanged', () => {
  const back = gbdtFromJson(JSON.parse(JSON.stringify(gbdtToJson(model))));
  assert.deepEqual(back, model);
  assert.deepEqual(predictGbdt(back, table), predictGbdt(model, table));
});

test('each kind of damage is refused with the field', () => {
  const damages: readonly (readonly [(json: ReturnType<typeof parsed>) => unknown, RegExp])[] = [
    [() => [], /^model must be an object$/],
    [(json) => ({ ...json, version: 2 }), /^version must be 1, got 2$/],
    [(json) => ({ ...json, objective: 'ranking' }), /^objective must be/],
    [(json) => ({ ...json, baseScore: null }), /^baseScore must be a finite number$/],
    [(json) => ({ ...json, features: [] }), /^features must not be empty$/],
    [(json) => set(json, 'feature', 0, 2), /^trees\.0\.feature\.0 must be -1 or below the 2 features, got 2$/],
    [(json) => set(json, 'left', 0, 0), /^trees\.0\.left\.0 must be a later node below 17, got 0$/],
    [(json) => set(json, 'right', 0, 17), /^trees\.0\.right\.0 must be a later node below 17, got 17$/],
    [(json) => set(json, 'value', 3, 'x'), /^trees\.0\.value\.3 must be a finite number$/],
    [(json) => set(json, 'cover', 2, 0), /^trees\.0\.cover\.2 must be above 0, got 0$/],
    [(json) => set(json, 'threshold', 0, 0.1), /^trees\.0\.threshold\.0 must be a float32 number$/],
    [(json) => set(json, 'missingLeft', 0, 2), /^trees\.0\.missingLeft\.0 must be 0 or 1, got 2$/],
    [(json) => ({ ...json, features: [model.features[0], model.features[0]] }), /^features have a name twice$/],
    [(json) => set(json, 'gain', 17, 1), /^trees\.0\.gain has 18 values, the tree has 17 nodes$/],
  ];
  for (const [damage, message] of damages) assert.throws(() => gbdtFromJson(damage(parsed())), { message });
});

function parsed(): { trees: { [field: string]: unknown[] }[] } {
  return JSON.parse(JSON.stringify(gbdtToJson(model)));
}

function set(json: ReturnType<typeof parsed>, field: string, index: number, value: unknown): unknown {
  json.trees[0]![field]![index] = value;
  return json;
}

test('whatever JSON is read, scoring ends and stays inside the model, or the JSON is refused', () => {
  const places = fc.record({
    field: fc.constantFrom('feature', 'left', 'right', 'missingLeft', 'threshold', 'cover'),
    index: fc.integer({ min: 0, max: 16 }),
    value: fc.oneof(fc.integer({ min: -2, max: 20 }), fc.double(), fc.constant(null)),
  });
  fc.assert(
    fc.property(fc.array(places, { minLength: 1, maxLength: 4 }), (changes) => {
      const json = parsed();
      for (const { field, index, value } of changes) set(json, field, index, value);
      let read: ReturnType<typeof gbdtFromJson>;
      try {
        read = gbdtFromJson(JSON.parse(JSON.stringify(json)));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'gbdt/invalid-model');
        return;
      }
      for (const score of predictGbdt(read, table)) assert.ok(score >= 0 && score <= 1);
    }),
  );
});
