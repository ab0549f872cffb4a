import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { fetchSource } from './fetch-source.ts';
import { fileDigest } from './file-digest.ts';
import type { Pair, Source } from './pair.ts';

/** A pair whose files are on disk and are the pinned ones. */
export interface PairFiles {
  readonly pair: Pair;
  readonly oldFile: string;
  readonly newFile: string;
  readonly newBytes: number;
}

export interface Corpus {
  readonly files: readonly PairFiles[];
  /** Pairs that are not to be had here, and why. */
  readonly skipped: readonly { readonly pair: string; readonly reason: string }[];
}

/** Fetches what `dir` does not hold yet. A pair that is not to be had is left out, with its reason. */
export async function openCorpus(pairs: readonly Pair[], dir: string): Promise<Corpus> {
  await mkdir(dir, { recursive: true });
  const files: PairFiles[] = [];
  const skipped: { pair: string; reason: string }[] = [];
  for (const pair of pairs) {
    try {
      const oldFile = await ensure(pair.old, join(dir, `${pair.name}.old`));
      const newFile = await ensure(pair.new, join(dir, `${pair.name}.new`));
      files.push({ pair, oldFile, newFile, newBytes: (await stat(newFile)).size });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      process.stderr.write(`${pair.name} is left out: ${reason}\n`);
      skipped.push({ pair: pair.name, reason });
    }
  }
  if (files.length === 0) throw new Error('no pair of the corpus is to be had');
  return { files, skipped };
}

async function ensure(source: Source, path: string): Promise<string> {
  if ((await fileDigest(path)) === source.sha256) return path;
  process.stderr.write(`fetching ${nameOf(source)}\n`);
  const fetched = `${path}.fetched`;
  try {
    await fetchSource(source, fetched, `${path}.scratch`);
    const sha256 = await fileDigest(fetched);
    if (sha256 !== source.sha256) {
      throw new Error(`${nameOf(source)} has sha256 ${sha256 ?? ''}, not ${source.sha256}`);
    }
    await rename(fetched, path);
  } finally {
    await rm(fetched, { force: true });
  }
  return path;
}

function nameOf(source: Source): string {
  return source.kind === 'npm'
    ? `${source.package}@${source.version} ${source.path ?? ''}`.trim()
    : `${source.pool} ${source.path}`;
}
