/** One part of a `multipart/byteranges` body. */
export interface Part {
  readonly contentType: string;
  readonly start: number;
  readonly end: number;
  readonly total: number;
  readonly bytes: Buffer;
}

/** Takes a `multipart/byteranges` body apart, strictly; throws where it is not well formed. */
export function readParts(contentType: string | null, body: Buffer): readonly Part[] {
  const boundary = /^multipart\/byteranges; boundary=(\S{1,70})$/.exec(contentType ?? '')?.[1];
  if (boundary === undefined) throw new Error(`no boundary in ${String(contentType)}`);
  const parts: Part[] = [];
  let at = 0;
  const take = (text: string): void => {
    const found = body.toString('latin1', at, at + text.length);
    if (found !== text) throw new Error(`at ${at}: ${JSON.stringify(found)}`);
    at += text.length;
  };
  take(`--${boundary}`);
  while (body.toString('latin1', at, at + 2) === '\r\n') {
    const end = body.indexOf('\r\n\r\n', at);
    const head = body.toString('latin1', at + 2, end);
    const match =
      /^Content-Type: (\S+)\r\nContent-Range: bytes (\d+)-(\d+)\/(\d+)$/.exec(head) ?? [];
    const [start, last, total] = [Number(match[2]), Number(match[3]), Number(match[4])];
    const first = end + 4;
    at = first + last - start + 1;
    const bytes = body.subarray(first, at);
    parts.push({ contentType: match[1] ?? '', start, end: last, total, bytes });
    take(`\r\n--${boundary}`);
  }
  take('--\r\n');
  if (at !== body.length) throw new Error(`${body.length - at} bytes after the end`);
  return parts;
}
