import type { RetentionCatalog } from '../../../storage/catalog/retention-catalog.ts';
import type { RepoName } from '../../../storage/names.ts';
import { retain } from '../../../storage/retention/retention.ts';
import type { Request } from './request.ts';
import { claimOnManifest, claimOnTag, type Drop } from './retention-claims.ts';
import { keptByPolicy, POLICY, type KeptTags } from './retention-policy.ts';
import type { World } from './world.ts';

/** Takes what the policy keeps no more; fails if that is something that anybody needs. */
export async function retainByPolicy({ world, stores }: Request): Promise<void> {
  const nowMs = world.clock.nowMs;
  const { repositories, retention } = stores.catalog;
  const catalog = { repositories, retention: watched(world, retention, nowMs) };
  await retain({ catalog, nowMs, policy: POLICY, dryRun: false });
}

/** Holds what retention takes against what clients were told, at the very step. */
function watched(
  { model, clock }: World,
  retention: RetentionCatalog,
  startedMs: number,
): RetentionCatalog {
  const looks = new Map<RepoName, KeptTags>();
  return {
    blobsOf: (...args) => retention.blobsOf(...args),
    async facts(repo, ...rest) {
      const facts = await retention.facts(repo, ...rest);
      looks.set(repo, keptByPolicy(model, repo, startedMs));
      return facts;
    },
    async drop(repo, tag, ...rest) {
      const manifests = await retention.drop(repo, tag, ...rest);
      if (manifests === undefined) return undefined;
      const kept = looks.get(repo) ?? new Map<never, never>();
      take({ model, drop: { repo, tag, manifests, kept, startedMs, nowMs: clock.nowMs } });
      return manifests;
    },
  };
}

function take({ model, drop }: { readonly model: World['model']; readonly drop: Drop }): void {
  const { repo, tag, manifests } = drop;
  const onTag = claimOnTag(model, drop);
  if (onTag !== undefined) throw new Error(`lost tag ${repo}:${tag?.tag ?? ''}: ${onTag}`);
  if (tag !== undefined) model.tag(repo, tag.tag).write()({ is: undefined });
  for (const digest of manifests) {
    const claim = claimOnManifest(model, drop, digest);
    if (claim !== undefined) throw new Error(`lost manifest ${repo}@${digest}: ${claim}`);
  }
  for (const digest of manifests) model.manifest(repo, digest).remove()();
}
