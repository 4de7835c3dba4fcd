import type { Rule, Violation } from '../source-file.ts';

const marks = ['TO' + 'DO', 'FIX' + 'ME', 'X'.repeat(3)]; // Put together here, because this rule reads its own file.
const mark = new RegExp(`\\b(${marks.join('|')})\\b`);

/** Work is finished or left out; a mark for later is neither. */
export const unfinished: Rule = (files) =>
  files.flatMap((file): Violation[] => {
    const pieces = file.isCode
      ? file.comments.flatMap(({ text, line }) =>
          text.split('\n').map((part, index) => ({ text: part, line: line + index })),
        )
      : proseLines(file.path, file.lines);
    return pieces.flatMap(({ text, line }) => {
      const found = mark.exec(text)?.[1];
      return found
        ? [{ path: file.path, line, message: `${found}: finish it, or leave it out and delete the mark` }]
        : [];
    });
  });

function proseLines(path: string, lines: readonly string[]): { text: string; line: number }[] {
  if (!/\.(md|ya?ml|sh|css|proto|py)$|^\.ci\/run$/.test(path)) return [];
  return lines.map((text, index) => ({ text, line: index + 1 }));
}
