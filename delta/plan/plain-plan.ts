import { DigestHasher } from '../../storage/digest.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import { checkAborted } from '../errors.ts';
import { CODEC, REASON } from '../format/notes.ts';
import { chooseForFiles } from './changed-files.ts';
import type { Part } from './instruction.ts';

const READ_BYTES = 1024 * 1024;

/** Codes bytes that are no tar as one file, against the base file of number `base`, if any. */
export async function planPlain(
  input: IoOptions & {
    readonly output: RandomAccess;
    readonly bases: readonly RandomAccess[];
    readonly base: number | undefined;
    readonly codecs: CodecRegistry;
    readonly scratch: string;
    readonly onCompared?: ((bytes: number) => void) | undefined;
  },
): Promise<Part[]> {
  const { output, bases, base } = input;
  const length = output.size;
  if (length === 0) return [];
  const old = base === undefined ? undefined : bases[base];
  const range =
    base === undefined || old === undefined ? undefined : { base, offset: 0, length: old.size };
  if (range?.length === length && old !== undefined && (await areEqual(old, output, input))) {
    return [
      {
        kind: 'file',
        length,
        codec: CODEC.copy,
        reason: REASON.sameBytes,
        instructions: [{ kind: 'copy', length, base: range.base, offset: 0 }],
      },
    ];
  }
  const [choice] = await chooseForFiles({ ...input, files: [{ offset: 0, length, old: range }] });
  return choice === undefined ? [] : [{ ...choice, kind: 'file', length }];
}

async function areEqual(a: RandomAccess, b: RandomAccess, options: IoOptions): Promise<boolean> {
  return (await digestOfAll(a, options)) === (await digestOfAll(b, options));
}

/** sha256 of everything a source has. */
export async function digestOfAll(source: RandomAccess, { signal }: IoOptions): Promise<string> {
  const hasher = new DigestHasher();
  for (let at = 0; at < source.size; at += READ_BYTES) {
    checkAborted(signal, 'reading a file');
    hasher.update(await source.read(at, Math.min(READ_BYTES, source.size - at)));
  }
  return hasher.digest();
}
