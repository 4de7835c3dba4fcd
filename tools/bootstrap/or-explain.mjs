/**
 * Waits for a step of the bootstrap; when it fails in a way that the user can mend, prints only its message and exits.
 * @template T
 * @param {Promise<T>} step
 * @returns {Promise<T>}
 */
export async function orExplain(step) {
  try {
    return await step;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'BootstrapError') throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
