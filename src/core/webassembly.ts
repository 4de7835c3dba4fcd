interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The part of the global `WebAssembly` that is used here; TypeScript declares it only for browsers. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

const PAGE_BYTES = 65_536;

/** A memory of at least so many bytes, all of them 0. */
export function wasmMemory(bytes: number): Memory {
  return new WebAssembly.Memory({ initial: Math.max(1, Math.ceil(bytes / PAGE_BYTES)) });
}

/**
 * A compiled module, given as base64, that imports its memory as `host.memory`. Returns what makes an instance of it
 * over a memory; `Exports` is what the module is known to export.
 */
export function wasmModule<Exports extends object>(base64: string): (memory: Memory) => Exports {
  let compiled: object | undefined;
  return (memory) => {
    compiled ??= new WebAssembly.Module(Buffer.from(base64, 'base64'));
    return new WebAssembly.Instance(compiled, { host: { memory } }).exports as Exports;
  };
}
