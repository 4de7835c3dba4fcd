/** The most values that are kept of one field; the first ones and the newest stay. */
const VALUES_MAX = 40;
const TEXT_LENGTH_MAX = 120;

/** What answers told so far, by the name of the field: what is asked for by such a name next may be there. */
export class KnownValues {
  readonly #byField = new Map<string, (string | number)[]>();

  /** Values of fields of this name, or of any field. */
  of(field?: string): readonly (string | number)[] {
    if (field !== undefined) return this.#byField.get(field) ?? [];
    return [...this.#byField.values()].flat();
  }

  /** Takes in every text and number below `value`. */
  learn(value: unknown, field = ''): void {
    if (Array.isArray(value)) for (const item of value) this.learn(item, field);
    else if (value !== null && typeof value === 'object') {
      for (const [name, part] of Object.entries(value)) this.learn(part, name);
    } else if (typeof value === 'number' || (typeof value === 'string' && value.length <= TEXT_LENGTH_MAX)) {
      this.#keep(field, value);
    }
  }

  #keep(field: string, value: string | number): void {
    const values = this.#byField.get(field) ?? [];
    this.#byField.set(field, values);
    if (values.includes(value)) return;
    if (values.length >= VALUES_MAX) values.splice(VALUES_MAX / 2, 1);
    values.push(value);
  }
}
