import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import { digestOfAll } from '../digest-range.ts';
import { CODEC, REASON } from '../format/notes.ts';
import { chooseForFiles } from './changed-files.ts';
import type { Part } from './instruction.ts';

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
