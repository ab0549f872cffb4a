/** What is used of WebAssembly: Node's types leave it to those of browsers. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
    private readonly brand;
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Readonly<Record<string, Exported | undefined>>;
  }
  class RuntimeError extends Error {}
  class Memory {
    private constructor();
    readonly buffer: ArrayBuffer;
  }
  /** Of modules without tables and globals, and without 64-bit integers in their functions. */
  type Exported = ((...numbers: readonly number[]) => number | undefined) | Memory;
  function compile(bytes: Uint8Array): Promise<Module>;
}
