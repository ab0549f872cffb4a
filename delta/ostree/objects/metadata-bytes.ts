import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import type { VariantValue } from '../gvariant/value.ts';
import { OBJECT_LIMITS } from './limits.ts';

/** Decodes a metadata object, or a file of a repository with the same bound. Throws `too_large` past the bound, `bad_format` as the codec does. */
export function decodeMetadata(what: string, type: string, bytes: Uint8Array): VariantValue {
  if (bytes.length > OBJECT_LIMITS.metadataBytes) {
    throw new DeltaError(
      'too_large',
      `a ${what} of ${bytes.length} bytes: the limit is ${OBJECT_LIMITS.metadataBytes}`,
    );
  }
  return decodeVariant(type, bytes);
}
