import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  deltaIndexPath,
  deltaPath,
  parseDeltaIndexPath,
  parseDeltaPath,
} from '../../../delta/ostree/checksum-base64.ts';
import { formatConfig, parseConfig } from '../../../delta/ostree/config.ts';
import { formatDeltaIndex, parseDeltaIndex } from '../../../delta/ostree/delta-index.ts';
import { formatDeltaName } from '../../../delta/ostree/delta-list.ts';
import { parseCommit } from '../../../delta/ostree/objects/commit.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { parseCollectionId, parseRefName } from '../../../delta/ostree/ref-name.ts';
import { formatSummaryFacts, parseSummaryFacts } from '../../../delta/ostree/summary-facts.ts';
import { refMetadata } from '../../../delta/ostree/summary-refs.ts';
import { formatSummary, parseSummary } from '../../../delta/ostree/summary.ts';
import { digestOf } from '../../../storage/digest.ts';
import { fillTree, OSTREE, RealRepo } from './real-repo.ts';

const COLLECTION = parseCollectionId('org.example.Os');

describe.skipIf(OSTREE === undefined)('files of a repository that the real command made', () => {
  let repo: RealRepo;
  let first: Checksum;
  let second: Checksum;

  beforeAll(() => {
    repo = new RealRepo('archive', '--collection-id=org.example.Os');
    fillTree(repo.tree);
    first = repo.commit('os/x86_64/main');
    writeFileSync(join(repo.tree, 'new'), 'new');
    second = repo.commit('os/x86_64/main', '--add-metadata-string=version=1.2');
    repo.commit('os-1/x');
    repo.run('static-delta', 'generate', `--from=${first}`, `--to=${second}`);
    repo.run('static-delta', 'generate', '--empty', `--to=${second}`);
    repo.run('summary', '-u');
  });

  afterAll(() => {
    repo.remove();
  });

  const read = (path: string): Buffer => readFileSync(join(repo.path, path));

  it('config', () => {
    expect(parseConfig(read('config').toString())).toEqual({
      mode: 'archive',
      collectionId: COLLECTION,
      disableXattrs: false,
    });
    const lines = formatConfig(COLLECTION).trim().split('\n');
    expect(lines.sort()).toEqual(read('config').toString().trim().split('\n').sort());
  });

  it('summary: encodes to the same bytes', () => {
    const bytes = read('summary');
    const summary = parseSummary(bytes);
    expect(formatSummary(summary)).toEqual(bytes);
    expect(summary.refs.map(({ ref }) => ref)).toEqual([
      'os-1/x',
      'os/x86_64/main',
      'ostree-metadata',
    ]);
    const commit = repo.object({ kind: 'commit', checksum: second });
    expect(summary.refs[1]).toMatchObject({ commit: second, commitBytes: commit.length });
    expect(new Map(summary.refs[1]?.metadata)).toEqual(new Map(refMetadata(parseCommit(commit))));
    const facts = parseSummaryFacts(summary.metadata);
    expect(facts).toMatchObject({ collectionId: COLLECTION, expires: undefined });
    expect(facts.staticDeltas.map(({ delta }) => formatDeltaName(delta)).sort()).toEqual(
      [`${first}-${second}`, second].sort(),
    );
    for (const { delta, superblock } of facts.staticDeltas) {
      expect(digestOf(read(deltaPath({ delta, file: 'superblock' })))).toBe(superblock);
    }
    const again = parseSummaryFacts(formatSummaryFacts(facts));
    expect({ ...again, staticDeltas: new Set(again.staticDeltas) }).toEqual({
      ...facts,
      staticDeltas: new Set(facts.staticDeltas),
    });
  });

  it('delta index: encodes to the same list', () => {
    const path = deltaIndexPath(second);
    expect(parseDeltaIndexPath(path)).toBe(second);
    const deltas = parseDeltaIndex(read(path));
    expect(deltas).toHaveLength(2);
    for (const { delta, superblock } of deltas) {
      expect(digestOf(read(deltaPath({ delta, file: 'superblock' })))).toBe(superblock);
    }
    const again = parseDeltaIndex(formatDeltaIndex(deltas));
    expect(new Set(again)).toEqual(new Set(deltas));
  });

  it('paths of deltas', () => {
    for (const path of readdirSync(join(repo.path, 'deltas'), {
      recursive: true,
      encoding: 'utf8',
    })) {
      if (path.split('/').length < 3) continue;
      const parsed = parseDeltaPath(`deltas/${path}`);
      expect(deltaPath(parsed)).toBe(`deltas/${path}`);
      expect(parsed.delta.to).toBe(second);
    }
  });

  it('our summary is read by the command', () => {
    const { refs } = parseSummary(read('summary'));
    const metadata = formatSummaryFacts({
      lastModified: 1_700_000_000n,
      expires: 1_800_000_000n,
      collectionId: COLLECTION,
      collectionMap: new Map([[parseCollectionId('org.example.Other'), refs.slice(0, 1)]]),
      staticDeltas: parseDeltaIndex(read(deltaIndexPath(second))),
    });
    writeFileSync(join(repo.path, 'summary'), formatSummary({ refs: refs.toReversed(), metadata }));
    const shown = repo.run('summary', '-v');
    expect(shown).toContain('Collection ID (ostree.summary.collection-id): org.example.Os');
    expect(shown).toContain('(org.example.Other, os-1/x)');
    expect(shown).toContain('Expires (ostree.summary.expires): 2027-01-15T');
    expect(shown).toContain('Last-Modified (ostree.summary.last-modified): 2023-11-14T');
    expect(shown).toContain('Version (ostree.commit.version): 1.2');
    expect(shown).toContain(`* (org.example.Os, ${parseRefName('os/x86_64/main')})`);
  });

  it('our delta index is used by a pull of the command', () => {
    const index = join(repo.path, deltaIndexPath(second));
    writeFileSync(index, formatDeltaIndex(parseDeltaIndex(readFileSync(index))));
    const client = new RealRepo('bare-user');
    try {
      client.run('remote', 'add', '--no-gpg-verify', 'origin', `file://${repo.path}`);
      const pulled = client.run('pull', '--require-static-deltas', 'origin', second);
      expect(pulled).toContain('delta parts');
      expect(client.run('fsck')).toContain('fsck');
    } finally {
      client.remove();
    }
  });
});
