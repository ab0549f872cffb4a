import { readFile, rename, rm, writeFile } from 'node:fs/promises';

import { appendSignature } from '../../../delta/ostree/commitmeta.ts';
import { isChecksum, type Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { offlineDelta } from '../../../delta/ostree/offline/offline-delta.ts';
import { formatSignedDelta } from '../../../delta/ostree/offline/signed-delta.ts';
import { Ed25519Signer } from '../../../delta/ostree/sign/ed25519-signer.ts';
import { ArchiveSource } from '../../../delta/ostree/source/archive-source.ts';
import type { RepoName } from '../../../storage/names.ts';
import { errnoOf } from '../../../storage/durable.ts';
import { ServerError } from '../../errors.ts';
import { parseServerUrl } from '../http-client.ts';
import { HttpFiles } from './http-files.ts';
import { tokenOf } from './push-options.ts';

export interface ExportOptions {
  readonly server: string;
  /** A ref or a commit. */
  readonly to: string;
  readonly from?: string;
  readonly out: string;
  readonly signKey?: string;
  readonly token?: string;
}

export interface ExportReport {
  readonly from: Checksum | null;
  readonly to: Checksum;
  /** Of the file. */
  readonly bytes: number;
  readonly signed: boolean;
}

/**
 * Writes a delta that a server publishes as one file for `ostree static-delta apply-offline`; there is a
 * whole file in the end or none. Throws `usage`, `not_found` for a key file that is not there, and as
 * {@link offlineDelta}.
 */
export async function exportDelta(
  repo: RepoName,
  options: ExportOptions,
  scratch: string,
): Promise<ExportReport> {
  const { from, to, out, signKey } = options;
  if (from !== undefined && !isChecksum(from)) {
    throw new ServerError('usage', `--from ${from}: expected the 64 digits of a commit`);
  }
  // A key that can't be read is found before anything is fetched.
  const signer = signKey === undefined ? undefined : await openKey(signKey);
  const url = new URL(`/ostree/${repo}/`, parseServerUrl(options.server));
  const files = new HttpFiles(url, tokenOf(options));
  const source = await ArchiveSource.open(files);
  const delta = { from, to: await source.resolveRef(to) };
  const superblock = await offlineDelta({ files, delta, scratch });
  const bytes =
    signer === undefined
      ? superblock
      : formatSignedDelta({
          superblock,
          signatures: appendSignature([], signer.kind, await signer.sign(superblock)),
        });
  await writeWhole(out, bytes);
  return {
    from: from ?? null,
    to: delta.to,
    bytes: bytes.length,
    signed: signer !== undefined,
  };
}

async function openKey(path: string): Promise<Ed25519Signer> {
  try {
    return Ed25519Signer.fromKeyFile(await readFile(path, 'utf8'));
  } catch (cause) {
    if (errnoOf(cause) === undefined) throw cause;
    throw new ServerError('not_found', `--sign-key: can't read ${path}`, { cause });
  }
}

async function writeWhole(path: string, bytes: Buffer): Promise<void> {
  const part = `${path}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    throw new ServerError('not_found', `can't write ${path}: ${String(cause)}`, { cause });
  }
}
