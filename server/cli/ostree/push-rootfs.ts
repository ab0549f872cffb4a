import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

import type { RepoName } from '../../../storage/names.ts';
import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { fromErrno } from '../../../storage/durable.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { ServerError } from '../../errors.ts';
import { parseServerUrl } from '../http-client.ts';
import { createOutput, formatBytes, type Bar } from '../output.ts';
import { tarStream } from '../sources/made-image.ts';
import { notingFault } from './noting-fault.ts';
import { OstreeServer } from './ostree-server.ts';
import { branchOf, tokenOf, type CommitOptions } from './push-options.ts';
import { wasText } from './push-report.ts';
import { retrying } from './retry.ts';

/** Bytes of the largest root file system that is taken, unpacked. */
const MAX_ROOTFS_BYTES = 64 * 1024 ** 3;

/** What the commit that the server makes of a tar says. */
export interface RootfsOptions extends Omit<CommitOptions, 'depth'> {
  readonly branch: string;
  readonly subject?: string;
  readonly body?: string;
  readonly timestamp?: string;
}

/**
 * Sends a root file system's tar (plain, gzip or zstd), of which the server makes a commit, and moves the
 * ref to it.
 */
export async function pushRootfs(
  path: string,
  repo: RepoName,
  options: RootfsOptions,
): Promise<void> {
  const server = new OstreeServer(parseServerUrl(options.server), repo, tokenOf(options));
  const ref = branchOf(options.branch, '');
  const timestamp = parseTimestamp(options.timestamp);
  const output = createOutput(options.json === true);
  const { size } = await stat(path).catch((error: unknown) => {
    throw fromErrno(error, `cannot read ${path}`);
  });
  try {
    const before = await server.readRef(ref);
    const query = new URLSearchParams({
      ref,
      subject: options.subject ?? '',
      body: options.body ?? '',
      // Said by us, so that a second try makes the same commit.
      timestamp: String(timestamp),
      expected: options.force === true ? 'any' : (before ?? 'none'),
    });
    const bar = output.bar(path, size, 'bytes');
    const commit = await retrying(() => sendTar(server, query, path, bar));
    output.finish();
    output.say(`pushed ${repo} ${ref} ${commit} (${wasText(before, commit)})`);
    output.say(`  made by the server of ${path} (${formatBytes(size)})`);
    output.event({ event: 'pushed', repo, ref, commit, before: before ?? null, bytes: size });
  } finally {
    output.finish();
  }
}

/** Once. A fault of the tar is thrown as it is, so that it is not tried again. */
async function sendTar(
  server: OstreeServer,
  query: URLSearchParams,
  path: string,
  bar: Bar,
): Promise<Checksum> {
  const faults: unknown[] = [];
  const file = Readable.from(counted(tarStream(path), bar));
  const tar = openLayer(file, { maxRawBytes: MAX_ROOTFS_BYTES });
  const body = notingFault(tar, (error) => faults.push(error));
  try {
    return await server.sendRootfs(query, Readable.from(body, { objectMode: false }));
  } catch (error) {
    throw faults.length > 0 ? faults[0] : error;
  }
}

async function* counted(file: Readable, bar: Bar): AsyncGenerator<Buffer, void> {
  let done = 0;
  for await (const part of file) {
    const bytes = part as Buffer;
    done += bytes.length;
    bar.update(done);
    yield bytes;
  }
}

/** Seconds since 1970, from such a number or a date; now when nothing is said. Throws `usage`. */
function parseTimestamp(text: string | undefined): number {
  if (text === undefined) return Math.floor(Date.now() / 1000);
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000);
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw new ServerError(
    'usage',
    `--timestamp ${JSON.stringify(text)}: expected seconds since 1970, or a date as 2026-01-31T12:00:00Z`,
  );
}
