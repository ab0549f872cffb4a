// Where scanners put what they find: the references of one page, in the order of finding.

import { isLeftOut, Step } from '../ablation';
import { alloc } from '../memory';
import { Kind, Ref, REF_BYTES } from '../refs/kinds';

/** Bytes of the scratch memory that scanners read into. */
export const SCAN_BUFFER_BYTES: usize = 16384;
/** Bytes of the second scratch memory, for a look at another place in the middle of a scan. */
export const SIDE_BUFFER_BYTES: usize = 256;

const CAPACITY: u32 = 2200;

/** The page's references ({@link Ref}), and how many. */
export let refs: usize = 0;
export let refCount: u32 = 0;

/** For readOld; only one scanner runs at a time. */
export let scanBuffer: usize = 0;
export let sideBuffer: usize = 0;

/** Allocates the module's memory; once a session. */
export function openScan(): void {
  refs = alloc(<usize>CAPACITY * REF_BYTES);
  scanBuffer = alloc(SCAN_BUFFER_BYTES);
  sideBuffer = alloc(SIDE_BUFFER_BYTES);
  refCount = 0;
}

export function clearRefs(): void {
  refCount = 0;
}

/** Drops all references from the `count`th on. */
export function keepRefs(count: u32): void {
  refCount = count;
}

/** Adds a reference; beyond the capacity, which no real page reaches, it is left out. */
export function emit(offset: u32, kind: u32, aux: u32, target: u32, base: u32): void {
  if (refCount === CAPACITY) return;
  if (isTableKind(kind) && isLeftOut(Step.TABLE_FIELDS)) return;
  const ref = changetype<Ref>(refs + <usize>refCount * REF_BYTES);
  ref.offset = offset;
  ref.target = target;
  ref.base = base;
  ref.kind = <u8>kind;
  ref.aux = <u8>aux;
  refCount++;
}

@inline
function isTableKind(kind: u32): bool {
  return kind >= <u32>Kind.FILE32 && kind < <u32>Kind.RV_JAL;
}
