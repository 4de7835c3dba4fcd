import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { COMMAND_MODULES, commandLine } from './command-line.ts';

const namesIn = (program: Command): string[] => program.commands.map((command) => command.name());

test('every module of commands adds at the top what it is listed for, and nothing else', async () => {
  const owners = new Map<string, number>();
  for (const [i, { names, adders }] of COMMAND_MODULES.entries()) {
    const program = new Command();
    // A module that adds to the command of an earlier one finds that command in place.
    for (const name of names.filter((one) => owners.has(one))) program.command(name);
    const before = program.commands.map(({ commands }) => commands.length);
    for (const add of await adders()) add(program);
    assert.deepEqual(namesIn(program).toSorted(), names.toSorted());
    for (const [at, count] of before.entries()) {
      assert.ok((program.commands[at]?.commands.length ?? 0) > count, `${names} adds nothing to what was there`);
    }
    for (const name of names) if (!owners.has(name)) owners.set(name, i);
  }
  assert.deepEqual(namesIn(await commandLine([])), [...owners.keys()]);
});

test('a command that is named is loaded alone and complete', async () => {
  const all = await commandLine(['--help']);
  for (const command of all.commands) {
    const program = await commandLine([command.name()]);
    const alone = program.commands.find((one) => one.name() === command.name());
    assert.equal(alone?.helpInformation(), command.helpInformation(), command.name());
  }
  assert.deepEqual(namesIn(await commandLine(['up', '--data', 'x'])), ['up']);
});

test('a word that names no command is answered with what there is', async () => {
  assert.deepEqual(namesIn(await commandLine(['experimnets'])), namesIn(await commandLine([])));
});
