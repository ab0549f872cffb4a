import { childrenOf, DER, readDer, type DerElement } from './der.ts';

/** What of a certificate (RFC 5280, 4.1) says whom it names, and until when. */
export interface CertificateFields {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Common names of the subject. */
  readonly commonNames: readonly string[];
  /** URIs of the subject alternative name, in order. */
  readonly uris: readonly string[];
  /** DNS names of it, in lower case. */
  readonly dnsNames: readonly string[];
  readonly isAuthority: boolean;
  /** keyCertSign or cRLSign of the key usage: it may sign certificates or lists of revoked ones. */
  readonly maySign: boolean;
}

/** Object identifiers, as DER writes them. */
const COMMON_NAME = '550403';
const KEY_USAGE = '551d0f';
const ALTERNATIVE_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';

/** Context tags: of a GeneralName (4.2.1.6), and of a TBSCertificate's version and extensions. */
const GENERAL_DNS = 0x82;
const GENERAL_URI = 0x86;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

/** Bits 5 and 6 of KeyUsage (4.2.1.3), counted from the highest of its first byte. */
const SIGNING_BITS = 0b0000_0110;

/** Visible ASCII; anything else in a name could be read in two ways. */
const VISIBLE = /^[\x21-\x7e]+$/;
/** No control characters, no separators of lines. */
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]+$/u;

/**
 * Reads a DER certificate. Node shows alternative names as one quoted text and the extended key usage
 * under the plain one's name: the bytes themselves say it without doubt. Names that hold unprintable
 * characters are left out. Throws a RangeError when it is no certificate.
 */
export function readCertificate(der: Buffer): CertificateFields {
  const [certificate] = readDer(der);
  const [tbs] = childrenOf(certificate);
  const all = childrenOf(tbs);
  const fields = all[0]?.tag === VERSION ? all.slice(1) : all;
  const [, , , validity, subject] = fields;
  const [notBefore, notAfter] = childrenOf(validity);
  const extensions = readExtensions(fields.find(({ tag }) => tag === EXTENSIONS));
  const names = readAlternativeNames(extensions.get(ALTERNATIVE_NAME));
  return {
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    commonNames: readCommonNames(subject),
    ...names,
    isAuthority: readIsAuthority(extensions.get(BASIC_CONSTRAINTS)),
    maySign: readMaySign(extensions.get(KEY_USAGE)),
  };
}

/** Content of each extension by its identifier; one that is there twice is an error (4.2). */
function readExtensions(element: DerElement | undefined): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  if (element === undefined) return found;
  const [list] = readDer(element.content);
  for (const extension of childrenOf(list)) {
    const parts = childrenOf(extension);
    const [id] = parts;
    const value = parts.at(-1);
    if (id?.tag !== DER.oid || value?.tag !== DER.octetString) throw new RangeError('extension');
    const name = id.content.toString('hex');
    if (found.has(name)) throw new RangeError(`extension ${name} is there twice`);
    found.set(name, value.content);
  }
  return found;
}

function readAlternativeNames(
  value: Buffer | undefined,
): Pick<CertificateFields, 'uris' | 'dnsNames'> {
  const names = value === undefined ? [] : childrenOf(readDer(value)[0]);
  const texts = (wanted: number): string[] =>
    names.filter(({ tag }) => tag === wanted).map(({ content }) => content.toString('latin1'));
  return {
    uris: texts(GENERAL_URI).filter((text) => VISIBLE.test(text)),
    dnsNames: texts(GENERAL_DNS)
      .filter((text) => VISIBLE.test(text))
      .map((text) => text.toLowerCase()),
  };
}

function readCommonNames(subject: DerElement | undefined): readonly string[] {
  const attributes = childrenOf(subject).flatMap((set) => childrenOf(set, DER.set));
  return attributes
    .map((attribute) => childrenOf(attribute))
    .filter(([id]) => id?.content.toString('hex') === COMMON_NAME)
    .map(([, value]) => readText(value))
    .filter((text) => PRINTABLE.test(text));
}

/** Empty for a kind of string that is not read; those are long out of use (4.1.2.4). */
function readText(element: DerElement | undefined): string {
  switch (element?.tag) {
    case DER.utf8String:
      return element.content.toString('utf8');
    case DER.printableString:
    case DER.ia5String:
      return element.content.toString('latin1');
    default:
      return '';
  }
}

function readIsAuthority(value: Buffer | undefined): boolean {
  if (value === undefined) return false;
  const [first] = childrenOf(readDer(value)[0]);
  return first?.tag === DER.boolean && first.content[0] !== 0;
}

function readMaySign(value: Buffer | undefined): boolean {
  if (value === undefined) return false;
  const [bits] = readDer(value);
  if (bits?.tag !== DER.bitString) throw new RangeError('key usage');
  // The first byte counts the bits at the end that are not used.
  return ((bits.content[1] ?? 0) & SIGNING_BITS) !== 0;
}

/** UTCTime or GeneralizedTime, always to the second and in UTC (4.1.2.5). */
function readTime(element: DerElement | undefined): number {
  const text = element?.content.toString('latin1') ?? '';
  const isShort = element?.tag === DER.utcTime;
  const digits = isShort ? text : text.slice(2);
  const [, yy = '', mo = '', d = '', h = '', mi = '', s = ''] =
    /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? [];
  const century = isShort ? (Number(yy) >= 50 ? '19' : '20') : text.slice(0, 2);
  const time = Date.parse(`${century}${yy}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (Number.isNaN(time)) throw new RangeError(`time ${JSON.stringify(text)}`);
  return time;
}
