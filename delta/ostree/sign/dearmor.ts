import { DeltaError } from '../../errors.ts';

const BLOCK =
  /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([^]*?)\r?\n-----END PGP PUBLIC KEY BLOCK-----/g;

/**
 * OpenPGP public keys in binary: as they are, or out of ASCII armor (RFC 4880, section 6.2), any number
 * of blocks, since `gpgv` reads no armor. Throws `bad_format` for text without keys and broken base64.
 */
export function dearmorKeys(bytes: Uint8Array): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (((buffer[0] ?? 0) & 0x80) !== 0) return buffer;
  const blocks = [...buffer.toString('latin1').matchAll(BLOCK)].map((match) =>
    body(match[1] ?? ''),
  );
  if (blocks.length === 0) throw new DeltaError('bad_format', 'a keyring without OpenPGP keys');
  return Buffer.concat(blocks);
}

/** What follows the headers and the empty line after them, without the checksum at the end. */
function body(block: string): Buffer {
  const lines = block.split('\n').map((line) => line.trim());
  const data = lines.slice(lines.indexOf('') + 1).filter((line) => !line.startsWith('='));
  const text = data.join('');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) {
    throw new DeltaError('bad_format', 'a keyring with broken ASCII armor');
  }
  return bytes;
}
