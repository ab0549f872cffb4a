import type { Catalog } from '../catalog/catalog.ts';
import type { RetainedTag } from '../catalog/retention-catalog.ts';
import { checkAborted } from '../durable.ts';
import type { RepoName } from '../names.ts';
import type { IoOptions } from '../object-store.ts';
import { FreedBytes } from './freed-bytes.ts';
import { planRepository, type Verdict } from './plan.ts';
import type { RetentionPolicy } from './policy.ts';

export interface RetentionOptions extends IoOptions {
  readonly catalog: Pick<Catalog, 'repositories' | 'retention'>;
  /** The moment from which ages count. */
  readonly nowMs: number;
  readonly policy: RetentionPolicy;
  /** Decides and changes nothing. */
  readonly dryRun: boolean;
}

export interface RetentionReport {
  /** By repository, tags by name, then manifests without one. */
  readonly verdicts: readonly (Verdict & { readonly freesBytes: number })[];
  /** Tags and manifests that went, or would. */
  readonly tags: number;
  readonly manifests: number;
  /** What the collector can remove now, or could: see `FreedBytes`. */
  readonly freesBytes: number;
}

/** Repositories listed at once. */
const PAGE = 500;

/** What became of one repository. */
interface Outcome {
  readonly verdicts: readonly Verdict[];
  readonly tags: number;
  readonly manifests: number;
}

/**
 * Removes tags and manifests that the policy keeps no more; their bytes are the collector's. Runs beside
 * pushes, checks and itself: what is used, moved or named between the look and the removal stays. Memory
 * is bounded by the largest repository's manifests and the list of verdicts. Throws `aborted` between
 * two repositories; what was done stands.
 */
export async function retain(options: RetentionOptions): Promise<RetentionReport> {
  const { catalog } = options;
  const freed = new FreedBytes(catalog.retention);
  const verdicts: Verdict[] = [];
  let [tags, manifests] = [0, 0];
  for await (const repo of repositories(options)) {
    const work = options.dryRun ? planned : carriedOut;
    const outcome = await work(options, repo, freed);
    verdicts.push(...outcome.verdicts);
    tags += outcome.tags;
    manifests += outcome.manifests;
  }
  const bytes = freed.byVerdict();
  return {
    verdicts: verdicts.map((verdict) => ({ ...verdict, freesBytes: bytes.get(verdict) ?? 0 })),
    tags,
    manifests,
    freesBytes: [...bytes.values()].reduce((sum, size) => sum + size, 0),
  };
}

async function* repositories({ catalog, signal }: RetentionOptions): AsyncGenerator<RepoName> {
  let last: RepoName | undefined;
  do {
    checkAborted(signal, 'retention');
    const page = await catalog.repositories.list({ last, limit: PAGE });
    for (const repo of page) {
      checkAborted(signal, 'retention');
      yield repo;
    }
    last = page.length < PAGE ? undefined : page.at(-1);
  } while (last !== undefined);
}

async function planned(
  { catalog, nowMs, policy }: RetentionOptions,
  repo: RepoName,
  freed: FreedBytes,
): Promise<Outcome> {
  const facts = await catalog.retention.facts(repo, nowMs - policy.liveMs);
  const plan = planRepository(repo, facts, policy, nowMs);
  await freed.add(plan);
  const { verdicts, tags, because } = plan;
  return { verdicts, tags: tags.length, manifests: because.size };
}

/** Each tag goes together with what it takes along: a crash leaves no half. */
async function carriedOut(
  { catalog, nowMs, policy, signal }: RetentionOptions,
  repo: RepoName,
  freed: FreedBytes,
): Promise<Outcome> {
  const liveSinceMs = nowMs - policy.liveMs;
  const facts = await catalog.retention.facts(repo, liveSinceMs);
  let plan = planRepository(repo, facts, policy, nowMs);
  await freed.add(plan);
  const followed = [...facts.followed];
  let [tags, manifests] = [0, 0];
  const drop = async (tag: RetainedTag | undefined): Promise<boolean> => {
    checkAborted(signal, 'retention');
    const steps = plan.stepsOf(tag?.tag);
    const dropped = await catalog.retention.drop(repo, tag, steps, liveSinceMs);
    manifests += dropped?.length ?? 0;
    return dropped !== undefined;
  };
  for (const tag of plan.tags) {
    if (!plan.tags.includes(tag)) continue;
    if (await drop(tag)) {
      tags += 1;
      continue;
    }
    // It was moved, or is followed by now: what it holds does not go with others either.
    followed.push(tag.tag);
    plan = planRepository(repo, { ...facts, followed }, policy, nowMs);
  }
  await drop(undefined);
  return { verdicts: plan.verdicts, tags, manifests };
}
