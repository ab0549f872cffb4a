import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { fillTree, RealRepo } from '../../../delta/ostree/real-repo.ts';
import { noise, text } from '../../../storage/chunk/material.ts';

const SMALL_FILES = 200;
/** Of the program, which does not compress. */
export const PROGRAM_BYTES = 3_000_000;
/** Of it, what is new in each release. */
const NEW_BYTES = 1_200_000;

/** A repository made by the real command: releases of a tree with a program and many small files. */
export class ReleaseRepo extends RealRepo {
  readonly ref: string;
  readonly commits: Checksum[] = [];

  constructor(ref: string) {
    super('archive');
    this.ref = ref;
    fillTree(this.tree);
    mkdirSync(join(this.tree, 'many'));
  }

  /** Commits the next release. */
  release(): Checksum {
    const version = this.commits.length + 1;
    const bytes = Buffer.from(noise(PROGRAM_BYTES, 'program'));
    noise(NEW_BYTES, `version ${version}`).copy(bytes, PROGRAM_BYTES - NEW_BYTES);
    writeFileSync(join(this.tree, 'usr', 'bin', 'program'), bytes);
    for (let n = 0; n < SMALL_FILES; n += 1) {
      const words = text(100, `file ${n} ${n % 3 === 0 ? version : ''}`);
      writeFileSync(join(this.tree, 'many', `f${n}`), words);
    }
    const commit = this.commit(this.ref, `--subject=release ${version}`);
    this.commits.push(commit);
    return commit;
  }
}
