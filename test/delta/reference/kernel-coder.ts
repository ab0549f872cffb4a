import { Kernel } from '../../../delta/engine/kernel.ts';
import { compileKernel } from '../kernel/compile.ts';
import type { CodedPair, Profile } from './decoder.ts';
import type { Source } from './sources.ts';

const PROFILES: Readonly<Record<Profile, number>> = { small: 0, fast: 1 };

let compiled: WebAssembly.Module | undefined;

/** A kernel that reads the old bytes from `old`. */
function newKernel(old: Uint8Array): Kernel {
  compiled ??= compileKernel("export * from 'kernel/main';");
  return new Kernel(compiled, {
    read: (offset, into) => {
      into.set(old.subarray(offset, offset + into.length));
    },
  });
}

function setSources(kernel: Kernel, sources: readonly Source[]): void {
  sources.forEach(({ offset, bytes }, i) => kernel.call('setSource', i, offset, bytes));
}

function outputs(kernel: Kernel): Uint8Array[] {
  const count = kernel.call('outputStreams');
  return Array.from({ length: count }, (_, i) => new Uint8Array(kernel.output(i)));
}

/** The pair as the kernel codes it; by default all old bytes are one source. */
export function encodePair(
  profile: Profile,
  old: Uint8Array,
  fresh: Uint8Array,
  sources: readonly Source[] = [{ offset: 0, bytes: old.length }],
): CodedPair {
  const kernel = newKernel(old);
  kernel.call('openEncoder', old.length, fresh.length, sources.length, PROFILES[profile]);
  setSources(kernel, sources);
  kernel.bytes(kernel.call('oldPointer'), old.length).set(old);
  kernel.bytes(kernel.call('newPointer'), fresh.length).set(fresh);
  kernel.call('align');
  kernel.call('encodeControl');
  const control = outputs(kernel);
  const sections: Uint8Array[][] = [];
  for (let from = 0; from < fresh.length; from = kernel.call('sectionEnd', from)) {
    kernel.call('encodeSection', from);
    sections.push(outputs(kernel));
  }
  return { profile, old, sources, newBytes: fresh.length, control, sections };
}

/** The new file as the kernel decodes it; throws DeltaError when the coded bytes are broken. */
export function decodeWithKernel(coded: CodedPair): Uint8Array {
  const { profile, old, sources, newBytes, control, sections } = coded;
  const kernel = newKernel(old);
  const fresh = new Uint8Array(newBytes);
  kernel.call('openDecoder', old.length, newBytes, sources.length, PROFILES[profile]);
  setSources(kernel, sources);
  putInputs(kernel, control);
  kernel.call('decodeControl');
  let from = 0;
  for (const streams of sections) {
    putInputs(kernel, streams);
    const end = kernel.call('openSection', from);
    for (let at = from, bytes = kernel.call('decodeSection'); bytes > 0;) {
      fresh.set(kernel.output(0), at);
      at += bytes;
      bytes = kernel.call('decodeSection');
    }
    from = end;
  }
  return fresh;
}

function putInputs(kernel: Kernel, streams: readonly Uint8Array[]): void {
  streams.forEach((stream, i) => {
    const pointer = kernel.call('inputPointer', i, stream.length);
    kernel.bytes(pointer, stream.length).set(stream);
  });
}
