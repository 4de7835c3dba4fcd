/**
 * Assembles `kernel.wat` into `kernel.gen.ts`. Run it after a change to the text:
 *
 *     node src/learn/gbdt/build-kernel.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

/** The WebAssembly bytes of the kernel's text. */
export async function assembleKernel(text: string): Promise<Uint8Array> {
  const module = (await wabt()).parseWat('kernel.wat', text, { simd: true, bulk_memory: true, sat_float_to_int: true });
  try {
    module.validate();
    return module.toBinary({ write_debug_names: false }).buffer;
  } finally {
    module.destroy();
  }
}

/** The source text of `kernel.gen.ts` for these bytes: a base64 literal cut into lines. */
export function kernelSource(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  return [
    '// Generated from kernel.wat by build-kernel.ts. Do not edit.',
    'export const KERNEL_BASE64 =',
    ...lines.map((line, index) => `  '${line}'${index === lines.length - 1 ? ';' : ' +'}`),
    '',
  ].join('\n');
}

if (import.meta.main) {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const bytes = await assembleKernel(readFileSync(path('kernel.wat'), 'utf8'));
  writeFileSync(path('kernel.gen.ts'), kernelSource(bytes));
  console.log(`kernel.gen.ts: ${bytes.length} bytes of WebAssembly`);
}
