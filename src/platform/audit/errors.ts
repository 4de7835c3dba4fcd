import { defineErrors } from '#core/errors';

export const auditErrors = defineErrors('audit', {
  key: { status: 400, title: 'The key of the log cannot be used' },
  note: { status: 400, title: 'The signed note does not verify' },
  proof: { status: 400, title: 'The proof does not verify' },
  'not-found': { status: 404, title: 'The log has no such resource' },
  'broken-chain': { status: 500, title: 'The entries do not continue what was signed' },
});
