/** A line for a POSIX shell that becomes this program with exactly these words. */
export function shellCommand(words: readonly string[]): string {
  return `exec ${words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`;
}
