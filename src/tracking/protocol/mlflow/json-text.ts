import { isShallow } from '../../shallow.ts';
import { invalidValue } from './route.ts';

const DEPTH_MAX = 50;

/** JSON that a client sends within a text. What is nested too deep is refused: it could exhaust the stack later. */
export function jsonText(text: string, path: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidValue(path, text.slice(0, 100), 'expected JSON');
  }
  if (!isShallow(value, DEPTH_MAX))
    throw invalidValue(path, text.slice(0, 100), `expected at most ${DEPTH_MAX} levels`);
  return value;
}
