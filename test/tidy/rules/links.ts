import { posix } from 'node:path';
import type { Rule, SourceFile, Violation } from '../source-file.ts';

/** A link of the project's own prose leads somewhere: to a file, a folder, or a heading that exists. */
export const links: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const folders = new Set(files.flatMap(({ path }) => path.split('/').map((_, i, all) => all.slice(0, i).join('/'))));
  return files.filter(({ path }) => path.endsWith('.md')).flatMap(checkFile);

  function checkFile(file: SourceFile): Violation[] {
    return linksOf(file).flatMap(({ target, line }): Violation[] => {
      if (/^[a-z][a-z+.-]*:/i.test(target)) return [];
      const [path = '', anchor] = target.split('#');
      const full = path ? posix.join(posix.dirname(file.path), decodeURIComponent(path)).replace(/\/$/, '') : file.path;
      const found = byPath.get(full);
      if (!found && !folders.has(full) && full !== '.') {
        return [{ path: file.path, line, message: `link to '${target}': ${full} does not exist` }];
      }
      if (!anchor || !found?.path.endsWith('.md') || headingsOf(found).has(anchor)) return [];
      return [{ path: file.path, line, message: `link to '${target}': ${full} has no such heading` }];
    });
  }
};

/** `[text](target)` and `![text](target)` outside code. */
function linksOf(file: SourceFile): { target: string; line: number }[] {
  return proseLines(file).flatMap(({ text, line }) =>
    [...text.replace(/`[^`]*`/g, '').matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map((match) => ({
      target: match[1]!,
      line,
    })),
  );
}

/** Anchors as the usual renderers make them: lower case, no punctuation, spaces as hyphens. */
function headingsOf(file: SourceFile): ReadonlySet<string> {
  const headings = proseLines(file).flatMap(({ text }) => /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1] ?? []);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function proseLines({ lines }: SourceFile): { text: string; line: number }[] {
  let isFenced = false;
  return lines.flatMap((text, index) => {
    const isFence = /^\s*(```|~~~)/.test(text);
    if (isFence) isFenced = !isFenced;
    return isFence || isFenced ? [] : [{ text, line: index + 1 }];
  });
}
