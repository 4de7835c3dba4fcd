/** One expected way to fail: what it is called for ever (`code`), its HTTP status, and what it means. */
export interface ErrorDefinition {
  readonly status: number;
  /** A sentence without figures; the detail of an occurrence carries those. */
  readonly title: string;
}

/** A field of the input that was refused, by its path (`spec.steps.0.name`), and what was expected there. */
export interface FieldIssue {
  readonly path: string;
  readonly message: string;
}

/** An expected failure with a stable code. A bug is an {@link AssertionError} instead. */
export class KedgeError extends Error {
  override readonly name = 'KedgeError';
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly fields: readonly FieldIssue[];

  constructor(code: string, definition: ErrorDefinition, detail: string, fields: readonly FieldIssue[] = []) {
    super(detail);
    this.code = code;
    this.status = definition.status;
    this.title = definition.title;
    this.fields = fields;
  }
}

export type ErrorTable<Names extends string> = {
  readonly [Name in Names]: ((detail: string, fields?: readonly FieldIssue[]) => KedgeError) &
    ErrorDefinition & { readonly code: string };
};

/**
 * Declares the errors of one domain. Each entry becomes a function that makes the error:
 *
 * ```ts
 * export const errors = defineErrors('datasets', { 'not-found': { status: 404, title: 'No such dataset' } });
 * throw errors['not-found'](`dataset 'flights' does not exist`);   // code: datasets/not-found
 * ```
 */
export function defineErrors<const Definitions extends Record<string, ErrorDefinition>>(
  domain: string,
  definitions: Definitions,
): ErrorTable<keyof Definitions & string> {
  const table: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const code = `${domain}/${name}`;
    const make = (detail: string, fields?: readonly FieldIssue[]): KedgeError =>
      new KedgeError(code, definition, detail, fields);
    table[name] = Object.assign(make, { ...definition, code });
  }
  return table as ErrorTable<keyof Definitions & string>;
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** An expected failure in words for a terminal: its sentence, its code, and the fields that were refused. */
export function wordsOf({ message, code, fields }: KedgeError): string {
  return `${message} [${code}]${fields.map((field) => `\n  ${field.path}: ${field.message}`).join('')}`;
}

/** The code of a system error (`ENOENT`), if `thrown` is one. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
