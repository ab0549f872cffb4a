import { DeltaKernel } from '../build/delta-kernel.ts';
import type { Matcher, Segment } from '../segment.ts';

/** A kernel with more memory than this is dropped after its pair. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Of a block in the kernel's memory: new place, old place, length. */
const BLOCK_BYTES = 12;

/**
 * Matching in the kernel (delta/kernel/session/segments), which weighs several places of the old bytes against
 * each other where the diff has trouble, and knows where the references of programs point to: streams come
 * out some 5 % smaller by each.
 */
export class KernelMatcher implements Matcher {
  readonly #module: WebAssembly.Module;
  #kernel: DeltaKernel | undefined;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  match(old: Uint8Array, fresh: Uint8Array): readonly Segment[] {
    const kernel = (this.#kernel ??= new DeltaKernel(this.#module));
    kernel.call('openSegments', old.length, fresh.length);
    kernel.bytes(kernel.call('segmentsOld'), old.length).set(old);
    kernel.bytes(kernel.call('segmentsNew'), fresh.length).set(fresh);
    const count = kernel.call('findSegments');
    const blocks = kernel.bytes(kernel.call('segmentsFound'), count * BLOCK_BYTES);
    const segments = segmentsOf(blocks, fresh.length);
    if (kernel.memoryBytes > KEPT_BYTES) this.#kernel = undefined;
    return segments;
  }
}

/** New bytes that no block covers are the extra of the block before. */
function segmentsOf(blocks: Buffer, newBytes: number): readonly Segment[] {
  const segments: Segment[] = [];
  const end = blocks.length;
  const first = end === 0 ? newBytes : blocks.readUInt32LE(0);
  if (first > 0) segments.push({ oldOffset: 0, diffLength: 0, extraLength: first });
  for (let at = 0; at < end; at += BLOCK_BYTES) {
    const oldOffset = blocks.readUInt32LE(at + 4);
    const diffLength = blocks.readUInt32LE(at + 8);
    const next = at + BLOCK_BYTES < end ? blocks.readUInt32LE(at + BLOCK_BYTES) : newBytes;
    const extraLength = next - blocks.readUInt32LE(at) - diffLength;
    if (diffLength + extraLength > 0) segments.push({ oldOffset, diffLength, extraLength });
  }
  return segments;
}
