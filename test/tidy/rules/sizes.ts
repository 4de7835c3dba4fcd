import { functionsOf } from '../functions.ts';
import type { Rule, SourceFile, Violation } from '../source-file.ts';

const fileLinesMax = 400;
const functionLinesMax = 70;
const componentLinesMax = 120;
const columnsMax = 120;

/** What does not fit on a screen is not understood at once. */
export const sizes: Rule = (files) =>
  files
    .filter((file) => (file.isCode || /\.(css|sh|py)$/.test(file.path)) && !file.path.endsWith('.gen.ts'))
    .flatMap((file) => [...longFile(file), ...longLines(file), ...longFunctions(file)]);

function longFile({ path, lines }: SourceFile): Violation[] {
  if (lines.length <= fileLinesMax) return [];
  const message = `${lines.length} lines, at most ${fileLinesMax}; make it a folder with one use case a file`;
  return [{ path, line: fileLinesMax + 1, message }];
}

function longLines({ path, lines }: SourceFile): Violation[] {
  return lines.flatMap((text, index) =>
    text.length <= columnsMax
      ? []
      : [{ path, line: index + 1, message: `${text.length} columns, at most ${columnsMax}; break the line` }],
  );
}

function longFunctions(file: SourceFile): Violation[] {
  if (file.isTest) return [];
  return functionsOf(file.tokens).flatMap(({ name, line, lines }) => {
    const isComponent = file.path.startsWith('ui/') && file.path.endsWith('.tsx') && /^[A-Z]/.test(name);
    const max = isComponent ? componentLinesMax : functionLinesMax;
    if (lines <= max) return [];
    const message = `${name || 'function'} has ${lines} lines, at most ${max}; give a part of it a name`;
    return [{ path: file.path, line, message }];
  });
}
