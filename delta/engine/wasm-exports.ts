/** A function of numbers; what it returns, if anything. */
export type WasmFunction = (...numbers: readonly number[]) => number | undefined;

export interface WasmExports<Name extends string> {
  readonly functions: Readonly<Record<Name, WasmFunction>>;
  readonly memory: WebAssembly.Memory;
}

/** The memory and the functions that are named; a TypeError names the first that is not there. */
export function readExports<Name extends string>(
  { exports }: WebAssembly.Instance,
  names: readonly Name[],
): WasmExports<Name> {
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('the module exports no memory');
  const functions: Partial<Record<Name, WasmFunction>> = {};
  for (const name of names) {
    const value = exports[name];
    if (typeof value !== 'function') throw new TypeError(`the module exports no function ${name}`);
    functions[name] = value;
  }
  return { functions: functions as Record<Name, WasmFunction>, memory };
}
