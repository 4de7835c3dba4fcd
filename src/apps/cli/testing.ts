import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const KEDGE = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Runs a command of the command line in a process of its own, with nothing else in its environment. */
export function kedge(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', KEDGE, ...args], { env }, (error, ...texts) =>
      resolve({ code: Number(error?.code ?? 0), stdout: texts[0], stderr: texts[1] }),
    );
  });
}
