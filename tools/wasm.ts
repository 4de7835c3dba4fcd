/**
 * Assembles the WebAssembly of this repository: each `name.wat` into a `name.gen.ts` beside it. Run it after a change
 * to one of the texts:
 *
 *     node tools/wasm.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const TEXTS = ['src/learn/gbdt/kernel.wat', 'src/serving/gateway/runtime/trees/walk.wat'] as const;

/** The source text of `name.gen.ts` for a `name.wat`: its bytes as a base64 literal cut into lines. */
export async function assembled(name: string, text: string): Promise<string> {
  const module = (await wabt()).parseWat(`${name}.wat`, text, {
    simd: true,
    bulk_memory: true,
    sat_float_to_int: true,
  });
  try {
    module.validate();
    const { buffer } = module.toBinary({ write_debug_names: false });
    const lines =
      Buffer.from(buffer)
        .toString('base64')
        .match(/.{1,100}/g) ?? [];
    return [
      `// Generated from ${name}.wat by tools/wasm.ts. Do not edit.`,
      `export const ${name.toUpperCase()}_BASE64 =`,
      ...lines.map((line, index) => `  '${line}'${index === lines.length - 1 ? ';' : ' +'}`),
      '',
    ].join('\n');
  } finally {
    module.destroy();
  }
}

/** The generated file of each text, and what is to be in it. */
export async function assembleAll(): Promise<readonly { readonly path: string; readonly source: string }[]> {
  return Promise.all(
    TEXTS.map(async (text) => {
      const path = fileURLToPath(new URL(`../${text}`, import.meta.url));
      const source = await assembled(basename(path, '.wat'), readFileSync(path, 'utf8'));
      return { path: path.replace(/\.wat$/, '.gen.ts'), source };
    }),
  );
}

if (import.meta.main) {
  for (const { path, source } of await assembleAll()) writeFileSync(path, source);
}
