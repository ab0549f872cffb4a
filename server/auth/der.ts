/** One element of DER (ITU-T X.690): its tag, and where its content lies. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** The element whole, tag and length included. */
  readonly whole: Buffer;
}

/** Tags that certificates use (RFC 5280). */
export const DER = {
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The elements that follow each other in `bytes`. Throws a RangeError when they are not DER. */
export function readDer(bytes: Buffer): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = readElement(bytes, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

/** The children of a constructed element of that tag. Throws a RangeError for any other. */
export function childrenOf(
  element: DerElement | undefined,
  tag: number = DER.sequence,
): readonly DerElement[] {
  if (element?.tag !== tag) throw new RangeError(`no DER element of tag ${tag}`);
  return readDer(element.content);
}

function readElement(bytes: Buffer, at: number): DerElement {
  const tag = bytes[at] ?? 0;
  const first = bytes[at + 1];
  if (first === undefined || (tag & 0x1f) === 0x1f) throw new RangeError('DER: bad tag');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new RangeError('DER: bad length');
    if (start + count > bytes.length) throw new RangeError('DER: cut off');
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw new RangeError('DER: cut off');
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
}
