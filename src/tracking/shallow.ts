/** Whether a value of JSON has at most so many levels. Deeper ones could exhaust the stack of whatever walks them. */
export function isShallow(value: unknown, levelsMax: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levelsMax === 0) return false;
  return Object.values(value).every((item) => isShallow(item, levelsMax - 1));
}

/** The JSON in a text, if it is some and of at most so many levels; otherwise the text. */
export function parsedOr(text: string, levelsMax = 50): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isShallow(value, levelsMax) ? value : text;
  } catch {
    return text;
  }
}
