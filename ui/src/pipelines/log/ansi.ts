/** A piece of a line that is shown in one way. */
export interface AnsiPiece {
  readonly text: string;
  /** Names of classes, such as `ansi-bold ansi-fg-1`; empty for plain text. */
  readonly look: string;
}

interface Style {
  readonly foreground: number | undefined;
  readonly background: number | undefined;
  readonly marks: ReadonlySet<string>;
}

const PLAIN: Style = { foreground: undefined, background: undefined, marks: new Set() };
const MARKS: Readonly<Record<number, string>> = {
  1: 'bold',
  2: 'dim',
  3: 'italic',
  4: 'underline',
  7: 'inverse',
  9: 'struck',
};
const UNMARKS: Readonly<Record<number, readonly string[]>> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['underline'],
  27: ['inverse'],
  29: ['struck'],
};

/**
 * Sequences of control: CSI (ECMA-48, 5.4), operating system commands up to BEL or ST, and the other escapes. Only the
 * colours and marks of `CSI … m` mean something in a log; what moves a cursor is left out.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above; the tab stays.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A line as pieces that are shown alike. A carriage return begins the line anew, as a progress bar does. */
export function ansiPieces(line: string): readonly AnsiPiece[] {
  const text = line.slice(line.trimEnd().lastIndexOf('\r') + 1);
  if (!text.includes('\u001b')) return [{ text: text.replaceAll(INVISIBLE, ''), look: '' }];
  const pieces: AnsiPiece[] = [];
  let style = PLAIN;
  let at = 0;
  const add = (end: number): void => {
    const piece = text.slice(at, end).replaceAll(INVISIBLE, '');
    if (piece) pieces.push({ text: piece, look: lookOf(style) });
  };
  for (const match of text.matchAll(CONTROL)) {
    add(match.index);
    at = match.index + match[0].length;
    if (match[2] === 'm') style = styled(style, match[1] ?? '');
  }
  add(text.length);
  return pieces;
}

/** The text of a line alone, as it is searched. */
export function plainText(line: string): string {
  return ansiPieces(line)
    .map(({ text }) => text)
    .join('');
}

/** A style after the numbers of one sequence (SGR, ECMA-48 8.3.117). */
function styled(before: Style, text: string): Style {
  const numbers = text.split(/[;:]/).map((part) => Number(part || '0'));
  let style = before;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] ?? 0;
    const mark = MARKS[number];
    const off = UNMARKS[number];
    if (number === 0) style = PLAIN;
    else if (mark) style = { ...style, marks: new Set([...style.marks, mark]) };
    else if (off) style = { ...style, marks: new Set([...style.marks].filter((each) => !off.includes(each))) };
    else if (number >= 30 && number <= 37) style = { ...style, foreground: number - 30 };
    else if (number >= 90 && number <= 97) style = { ...style, foreground: number - 82 };
    else if (number >= 40 && number <= 47) style = { ...style, background: number - 40 };
    else if (number >= 100 && number <= 107) style = { ...style, background: number - 92 };
    else if (number === 39) style = { ...style, foreground: undefined };
    else if (number === 49) style = { ...style, background: undefined };
    else if (number === 38 || number === 48) {
      const { colour, used } = extended(numbers.slice(i + 1));
      i += used;
      style = number === 38 ? { ...style, foreground: colour } : { ...style, background: colour };
    }
  }
  return style;
}

/** A colour of 256, or by red, green and blue, as the closest of the sixteen, which can be read on either ground. */
function extended([kind, ...rest]: readonly number[]): { readonly colour: number | undefined; readonly used: number } {
  if (kind === 5) return { colour: closestOf256(rest[0] ?? 0), used: 2 };
  if (kind === 2) return { colour: closest(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), used: 4 };
  return { colour: undefined, used: 0 };
}

const CUBE = [0, 95, 135, 175, 215, 255];

function closestOf256(index: number): number {
  if (index < 16) return index;
  if (index >= 232) return closest(8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232));
  const cube = index - 16;
  return closest(CUBE[Math.floor(cube / 36)] ?? 0, CUBE[Math.floor(cube / 6) % 6] ?? 0, CUBE[cube % 6] ?? 0);
}

/** Which of red, green and blue stand out makes the hue, and how much the lightness. */
function closest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  const isGrey = most - Math.min(red, green, blue) < 48;
  if (isGrey) return most < 64 ? 0 : most < 160 ? 8 : most < 224 ? 7 : 15;
  const hue = (red > most * 0.6 ? 1 : 0) + (green > most * 0.6 ? 2 : 0) + (blue > most * 0.6 ? 4 : 0);
  return most > 200 ? hue + 8 : hue;
}

function lookOf({ foreground, background, marks }: Style): string {
  const looks = [...marks].map((mark) => `ansi-${mark}`);
  if (foreground !== undefined) looks.push(`ansi-fg-${foreground}`);
  if (background !== undefined) looks.push(`ansi-bg-${background}`);
  return looks.join(' ');
}
