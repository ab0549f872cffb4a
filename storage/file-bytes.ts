import { createReadStream } from 'node:fs';

/**
 * A file's bytes. It is opened when the first are asked for, so that whoever takes none, since it failed
 * before, leaves nothing open, and the file may go; closed however the reading ends. Throws as `node:fs` does.
 */
export async function* fileBytes(path: string, pieceBytes: number): AsyncGenerator<Buffer> {
  yield* createReadStream(path, { highWaterMark: pieceBytes }) as AsyncIterable<Buffer>;
}
