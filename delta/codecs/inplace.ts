import { CODEC } from '../format/notes.ts';
import type { Codec } from './codec.ts';

/**
 * Each new byte is compared with the old one at the same place: right for files of fixed records and
 * for files patched in place, and free to try. Pointless once anything was inserted.
 */
export const inplaceCodec: Codec = {
  id: CODEC.inplace,
  name: 'inplace',
  isSolid: false,
  align: (input) => {
    const length = input.new.size;
    const matches =
      input.old.size === length && length > 0 ? [{ newOffset: 0, oldOffset: 0, length }] : [];
    return Promise.resolve({ kind: 'aligned', matches });
  },
};
