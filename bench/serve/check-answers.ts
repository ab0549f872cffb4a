import { open } from 'node:fs/promises';

import type { BenchBlob } from './content.ts';
import type { PlannedGet } from './load/load.ts';
import { ask } from './request.ts';
import type { TlsFiles } from './tls-files.ts';

/**
 * Asks for the first and the last of what a load will ask for, and compares every byte: a server that
 * gives something else, or the whole where a part was asked for, must not be measured.
 */
export async function checkAnswers(
  url: string,
  gets: readonly PlannedGet[],
  blobs: readonly BenchBlob[],
  tls: TlsFiles | undefined,
): Promise<void> {
  const pairs = [
    [gets[0], blobs[0]],
    [gets.at(-1), blobs.at(-1)],
  ] as const;
  for (const [get, blob] of pairs) {
    if (get === undefined || blob === undefined) throw new Error('nothing is asked for');
    await checkAnswer(url, get, blob, tls);
  }
}

async function checkAnswer(
  url: string,
  get: PlannedGet,
  blob: BenchBlob,
  tls: TlsFiles | undefined,
): Promise<void> {
  const headers = get.range === undefined ? {} : { range: get.range };
  const { status, body } = await ask(`${url}${get.path}`, { headers, tls });
  const wanted = get.range === undefined ? 200 : 206;
  if (status !== wanted) throw new Error(`${url}${get.path} answered ${status}, not ${wanted}`);
  const start = Number(/^bytes=(\d+)-/.exec(get.range ?? '')?.[1] ?? 0);
  if (!body.equals(await readPart(blob.file, start, get.bytes))) {
    throw new Error(`${url}${get.path} gave other bytes than were pushed`);
  }
}

async function readPart(file: string, start: number, bytes: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
