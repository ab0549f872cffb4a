import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import type { CaseName } from './options.ts';
import type { TreeFacts } from './corpus/open-trees.ts';
import { totalBytes } from './generate/delta-bytes.ts';
import type { Generated } from './generate/generated.ts';
import { total, type Traffic } from './pull/counting-proxy.ts';

/** The name of our generator and of our server. */
export const OURS = 'rivulet';

/** How one program made the delta of a case. */
export interface GeneratorResult {
  readonly name: string;
  readonly title: string;
  readonly generated: Generated;
}

export type PullKind = 'update' | 'scratch';

/** What one client's pulls from one server took. */
export interface PullResult {
  readonly kind: PullKind;
  /** Version of the client. */
  readonly client: string;
  /** {@link OURS}, or the name of the stock generator whose delta nginx serves. */
  readonly server: string;
  readonly title: string;
  /** Of the round with the median of the bytes. */
  readonly traffic: Traffic;
  readonly wallSeconds: number;
  /** Bytes of every round. */
  readonly rounds: readonly number[];
}

/** All that was measured of one update. */
export interface CaseResult {
  readonly name: CaseName;
  readonly title: string;
  readonly from: Checksum;
  readonly to: Checksum;
  readonly before: TreeFacts;
  readonly after: TreeFacts;
  readonly gone: readonly string[];
  /** The stock generator whose cost counts as 1: one that makes a delta of everything. */
  readonly peer: string;
  /** Ours first. */
  readonly generators: readonly GeneratorResult[];
  /** Ours from scratch; undefined where it was not made. */
  readonly scratch: Generated | undefined;
  readonly pulls: readonly PullResult[];
}

export type CaseOutcome =
  | ({ readonly state: 'done' } & CaseResult)
  | {
      readonly state: 'skipped' | 'failed';
      readonly name: CaseName;
      readonly title: string;
      readonly reason: string;
    };

/** One generator's figure by another's; undefined when either is not there. */
export function generatorRatio(
  { generators }: CaseResult,
  peer: string,
  pick: (generated: Generated) => number,
): number | undefined {
  const [ours, other] = [OURS, peer].map((name) => generators.find((one) => one.name === name));
  if (ours === undefined || other === undefined) return undefined;
  return pick(ours.generated) / pick(other.generated);
}

export const deltaBytes = ({ bytes }: Generated): number => totalBytes(bytes);

export function pullOf(
  { pulls }: CaseResult,
  wanted: Pick<PullResult, 'kind' | 'client' | 'server'>,
): PullResult | undefined {
  return pulls.find(
    ({ kind, client, server }) =>
      kind === wanted.kind && client === wanted.client && server === wanted.server,
  );
}

/** Our server's figure by that of nginx with a stock generator's delta, for one client. */
export function pullRatio(
  result: CaseResult,
  {
    kind,
    client,
    peer,
  }: { readonly kind: PullKind; readonly client: string; readonly peer: string },
  pick: 'bytes' | 'requests',
): number | undefined {
  const [ours, other] = [OURS, peer].map((server) => pullOf(result, { kind, client, server }));
  if (ours === undefined || other === undefined) return undefined;
  return total(ours.traffic)[pick] / total(other.traffic)[pick];
}
