import { randomBytes } from 'node:crypto';

/** One file of a multipart body. */
export interface MultipartFile {
  readonly filename: string;
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A `multipart/form-data` body (RFC 7578) as it streams out. */
export interface Multipart {
  readonly contentType: string;
  readonly body: AsyncGenerator<Buffer, void>;
}

/**
 * Makes a body of files, whose names must need no quoting. The boundary is 128 random bits, so that
 * no content needs to be searched for it.
 */
export function multipart(files: AsyncIterable<MultipartFile>): Multipart {
  const boundary = `rivulet-${randomBytes(16).toString('hex')}`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: encode(files, boundary),
  };
}

async function* encode(
  files: AsyncIterable<MultipartFile>,
  boundary: string,
): AsyncGenerator<Buffer, void> {
  for await (const { filename, bytes } of files) {
    yield Buffer.from(
      `--${boundary}\r\n` +
        `Content-Disposition: form-data; name="file"; filename="${filename}"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    );
    for await (const part of bytes) {
      yield Buffer.from(part.buffer, part.byteOffset, part.length);
    }
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}
