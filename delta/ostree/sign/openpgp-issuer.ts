const SIGNATURE_TAG = 2;
/** Of signature packets: version, type, two algorithms. */
const FIXED_BYTES = 4;
const VERSIONS = [4, 5];
/** Of subpackets. */
const ISSUER_KEY_ID = 16;
const ISSUER_FINGERPRINT = 33;
const NOT_CRITICAL = 0x7f;

/** A stretch of bytes: where it begins, and one past its end. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/**
 * The key that a binary OpenPGP signature says it is by, in hex: the fingerprint, else the key ID (RFC
 * 4880, sections 4.2 and 5.2.3; the fingerprint as RFC 9580, section 5.2.3.35, has it). That it is a good
 * signature is not looked at. Undefined for what names no key, several packets among it.
 */
export function issuerOf(signature: Uint8Array): string | undefined {
  const bytes = Buffer.from(signature.buffer, signature.byteOffset, signature.length);
  try {
    const body = signaturePacket(bytes);
    if (body === undefined || !VERSIONS.includes(bytes.readUInt8(body.start))) return undefined;
    const issuers = new Map<number, string>();
    let at = body.start + FIXED_BYTES;
    for (let area = 0; area < 2; area += 1) {
      const end = at + 2 + bytes.readUInt16BE(at);
      readIssuers(bytes.subarray(0, Math.min(end, body.end)), at + 2, issuers);
      at = end;
    }
    return issuers.get(ISSUER_FINGERPRINT) ?? issuers.get(ISSUER_KEY_ID);
  } catch (error) {
    // It ends before it should.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The body of the one packet that the bytes are; undefined when they are something else. */
function signaturePacket(bytes: Buffer): Stretch | undefined {
  const first = bytes.readUInt8(0);
  const isNew = (first & 0x40) !== 0;
  const tag = isNew ? first & 0x3f : (first >> 2) & 0x0f;
  const body = isNew ? lengthPrefixed(bytes, 1, 224) : oldBody(bytes, first & 3);
  return tag === SIGNATURE_TAG && body?.end === bytes.length ? body : undefined;
}

function oldBody(bytes: Buffer, lengthType: number): Stretch {
  // The last type has no length: it goes to the end.
  if (lengthType === 3) return { start: 1, end: bytes.length };
  const width = 2 ** lengthType;
  return { start: 1 + width, end: 1 + width + bytes.readUIntBE(1, width) };
}

/** What follows a length of one, two or five bytes; first bytes from `twoEnd` on, but 255, mean something else. */
function lengthPrefixed(bytes: Buffer, at: number, twoEnd: number): Stretch | undefined {
  const first = bytes.readUInt8(at);
  if (first < 192) return { start: at + 1, end: at + 1 + first };
  if (first < twoEnd) {
    const length = ((first - 192) << 8) + bytes.readUInt8(at + 1) + 192;
    return { start: at + 2, end: at + 2 + length };
  }
  if (first < 255) return undefined;
  return { start: at + 5, end: at + 5 + bytes.readUInt32BE(at + 1) };
}

/** Notes who subpackets say the issuer is, by the subpackets' type. */
function readIssuers(bytes: Buffer, from: number, issuers: Map<number, string>): void {
  for (let at = from; at < bytes.length;) {
    const subpacket = lengthPrefixed(bytes, at, 255);
    if (subpacket === undefined || subpacket.end > bytes.length) return;
    const { start, end } = subpacket;
    const type = bytes.readUInt8(start) & NOT_CRITICAL;
    // A fingerprint stands after its key's version.
    const skipped = type === ISSUER_FINGERPRINT ? 2 : 1;
    if (type === ISSUER_FINGERPRINT || type === ISSUER_KEY_ID) {
      issuers.set(type, bytes.toString('hex', start + skipped, end));
    }
    at = end;
  }
}
