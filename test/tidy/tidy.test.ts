import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rules } from './rules/index.ts';
import type { Violation } from './source-file.ts';
import { readFolder, readRepository } from './tree.ts';

const repository = readRepository(join(import.meta.dirname, '../..'));

for (const [name, rule] of Object.entries(rules)) {
  describe(`the tidy rule ${name}`, () => {
    it('reports each flaw of its bad tree, and nothing else', () => {
      const root = join(import.meta.dirname, 'fixtures', name);
      const expected = readExpected(join(root, 'expected.txt'));
      const found = rule(readFolder(root).filter((file) => file.path !== 'expected.txt'));
      assert.deepEqual(
        found.map(placeOf).sort(),
        expected.map(({ place }) => place).sort(),
        `found:\n${found.map(format).join('\n')}`,
      );
      for (const { place, words } of expected) {
        const messages = found.filter((violation) => placeOf(violation) === place).map(({ message }) => message);
        assert.ok(
          messages.some((message) => message.includes(words)),
          `${place}: no message says '${words}' but: ${messages.join('; ')}`,
        );
      }
    });

    it(`finds nothing in the repository (${name})`, () => {
      const found = rule(repository);
      assert.ok(found.length === 0, `\n${found.map(format).join('\n')}`);
    });
  });
}

/** Lines of `path:line words`, where the words are part of the message. */
function readExpected(path: string): { place: string; words: string }[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  assert.ok(lines[0], `${path} expects nothing`);
  return lines.map((line) => {
    const space = line.indexOf(' ');
    return { place: line.slice(0, space), words: line.slice(space + 1) };
  });
}

function placeOf({ path, line }: Violation): string {
  return `${path}:${line}`;
}

function format(violation: Violation): string {
  return `${placeOf(violation)}  ${violation.message}`;
}
