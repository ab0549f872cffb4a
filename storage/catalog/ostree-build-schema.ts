import type { Generated } from 'kysely';

import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';

/** The tables of builds as `ostree-build-migration.ts` makes them. */
export interface OstreeBuildSchema {
  ostree_builds: { id: string; repo: RepoName; published: Generated<0 | 1>; touched_ms: number };
  ostree_build_refs: { build: string; ref: OstreeRef; checksum: OstreeChecksum };
}
