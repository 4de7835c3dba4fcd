import { gatewayErrors } from '../errors.ts';

/** Whose names and texts the Open Inference Protocol answers with; some of Triton's clients insist on Triton's. */
export type DialectName = 'kedge' | 'triton';

/** How the server names itself, and the words of errors on which clients act. */
export interface Dialect {
  readonly server: string;
  readonly extensions: readonly string[];
  /** The text of an error about `model`, by its code. */
  text(error: { readonly code: string; readonly message: string }, model: string): string;
}

const EXTENSIONS: readonly string[] = [
  'classification',
  'model_configuration',
  'model_repository',
  'statistics',
  'binary_tensor_data',
];

const kedge: Dialect = { server: 'kedge', extensions: EXTENSIONS, text: ({ message }) => message };

const unknown = [gatewayErrors['unknown-model'].code, gatewayErrors['unknown-endpoint'].code];

const triton: Dialect = {
  server: 'triton',
  extensions: [...EXTENSIONS, 'model_repository(unload_dependents)'],
  text({ code, message }, model) {
    if (unknown.includes(code)) return `Request for unknown model: '${model}' is not found`;
    if (code === gatewayErrors['not-loaded'].code) {
      return `Request for unknown model: '${model}' has no available versions`;
    }
    if (code === gatewayErrors['load-failed'].code) {
      return `failed to load '${model}', failed to poll from model repository: ${message}`;
    }
    if (code === gatewayErrors['queue-full'].code) return `Exceeds maximum queue size: ${message}`;
    if (code === gatewayErrors['queue-timeout'].code) return `Request timeout expired: ${message}`;
    return message;
  },
};

export function dialectOf(name: DialectName): Dialect {
  return name === 'triton' ? triton : kedge;
}
