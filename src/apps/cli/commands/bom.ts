import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { bomProblems } from '#registry/bom';
import { UsageError } from '../failure.ts';
import { connectedInProject, withKedge } from './connected.ts';
import { versionsGroup } from './signing.ts';
import { versionNamed } from './version-name.ts';

export function bomCommand(program: Command): void {
  const described = 'write what a version (<model>@<n>) is made of as a CycloneDX 1.7 ML-BOM, checked by its schema';
  connectedInProject(versionsGroup(program).command('bom <version>').description(described))
    .option('--output <file>', 'where to write it, instead of the standard output')
    .action(
      withKedge(async (kedge, [version = ''], options) => {
        const document = await kedge.bom.exportBom({ params: versionNamed(version) });
        const text = `${JSON.stringify(document, null, 2)}\n`;
        const problems = await bomProblems(text);
        if (problems.length > 0) {
          throw new UsageError(`the control plane answered no valid CycloneDX 1.7:\n${problems.join('\n')}`);
        }
        const output = options['output'];
        if (typeof output === 'string') await writeFile(output, text);
        process.stdout.write(typeof output === 'string' ? `${output}: CycloneDX 1.7, valid by its schema\n` : text);
      }),
    );
}
