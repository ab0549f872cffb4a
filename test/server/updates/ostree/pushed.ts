import { tmpdir } from 'node:os';

import { runOstreeDeltaJob } from '../../../../delta/ostree/matrix/delta-job.ts';
import { parseRepoName } from '../../../../storage/names.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../../../storage/ostree/checksum.ts';
import { writeObjects } from '../../../../storage/ostree/object-writer.ts';
import { parseOstreeRef } from '../../../../storage/ostree/ref-name.ts';
import { incomingCommit } from '../../../delta/ostree/matrix/stored-world.ts';
import { MemoryRepo } from '../../../delta/ostree/static-delta/memory-repo.ts';
import { noise } from '../../../storage/chunk/material.ts';
import type { OriginFixture } from '../origin-fixture.ts';

export const OS = parseRepoName('fleet/os');
export const REF = parseOstreeRef('os/x86_64/stable');

/** An origin into which commits are pushed that change a little of a program. */
export class PushedCommits {
  readonly #origin: OriginFixture;
  readonly #repo = new MemoryRepo();

  constructor(origin: OriginFixture) {
    this.#origin = origin;
  }

  /** A commit that the repository holds, whether a ref leads to it or not. */
  async store(version: string): Promise<OstreeChecksum> {
    const { blobs, catalog } = this.#origin.store;
    const app = Buffer.from(noise(60_000, 'app'));
    noise(300, version).copy(app, 20_000);
    const commit = this.#repo.commit({
      '/usr/bin/app': { content: app, mode: 0o100_755 },
      '/etc/version': { content: Buffer.from(version) },
    });
    const options = { blobs, catalog, repo: OS, scratch: tmpdir() };
    await writeObjects(incomingCommit(this.#repo, commit), options);
    return parseOstreeChecksum(commit.checksum);
  }

  async push(version: string, ref = REF): Promise<OstreeChecksum> {
    const commit = await this.store(version);
    await this.#origin.store.catalog.ostree.moveRef(OS, ref, commit, 'any');
    return commit;
  }

  /** Builds all that is pending; how each ended. */
  async build(): Promise<string[]> {
    const { blobs, catalog } = this.#origin.store;
    const outcomes: string[] = [];
    for (;;) {
      const claim = await catalog.ostreeDeltas.claim('test', 600_000);
      if (claim === undefined) return outcomes;
      const deps = { blobs, catalog, scratch: tmpdir(), leaseMs: 600_000, maxAttempts: 1 };
      const clock = () => this.#origin.nowMs;
      outcomes.push((await runOstreeDeltaJob({ ...deps, clock }, claim)).kind);
    }
  }
}
