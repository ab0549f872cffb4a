import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import type { CodecRegistry } from '../codecs/registry.ts';
import { CODEC, REASON } from '../format/notes.ts';
import type { TarEntry, TarMap } from '../tree/walk.ts';
import { AlikeFiles } from './alike-files.ts';
import { chooseForFiles } from './changed-files.ts';
import type { ChangedFile } from './changed-file.ts';
import { headerPart, type HeaderPlace } from './header-part.ts';
import type { Part } from './instruction.ts';
import type { OldRange } from './old-ranges.ts';
import type { OldEntry, OldTree } from './old-tree.ts';
import { payloadDigest } from './payload-digest.ts';

export interface TarPlanInput extends IoOptions {
  readonly map: TarMap;
  readonly output: RandomAccess;
  readonly bases: readonly RandomAccess[];
  readonly baseMaps: ReadonlyMap<number, TarMap>;
  readonly tree: OldTree;
  readonly codecs: CodecRegistry;
  readonly scratch: string;
  readonly onRead?: ((bytes: number) => void) | undefined;
  readonly onCompared?: ((bytes: number) => void) | undefined;
}

/** How far the size of a file may move. */
const ALIKE_SHARE = 1 / 4;

/** One entry of the new tar and where it comes from. */
interface EntryPlan {
  readonly entry: TarEntry;
  readonly gapStart: number;
  /** The old entry whose headers resemble this one's. */
  readonly header?: OldEntry | undefined;
  readonly payload:
    | { readonly kind: 'none' }
    | { readonly kind: 'same'; readonly old: OldEntry }
    | { readonly kind: 'changed'; readonly old?: OldEntry | undefined };
}

/**
 * Codes a tar entry by entry: headers and padding against those of the same old entry, unchanged
 * payloads by content, changed ones by the best codec. Where header and payload come from one old
 * range, the frame builder joins them: a tree without changes is a single copy.
 */
export async function planTar(input: TarPlanInput): Promise<Part[]> {
  const plans = await planEntries(input);
  const headers: (readonly Part[])[] = [];
  for (const { entry, gapStart, header } of plans) {
    const place = { start: gapStart, end: entry.payloadStart, old: headerOf(header) };
    headers.push(await headerPart(place, input.output, input.bases));
  }
  const files = await toChangedFiles(plans, headers, input);
  const choices = await chooseForFiles({ ...input, files: [...files.values()] });
  const choiceOf = new Map([...files.keys()].map((plan, n) => [plan, choices[n]]));
  const parts: Part[] = [];
  for (const [n, plan] of plans.entries()) {
    const { entry, payload } = plan;
    parts.push(...(headers[n] ?? []));
    if (payload.kind === 'same') parts.push(copyPart(entry, payload.old));
    const choice = choiceOf.get(plan);
    if (choice !== undefined) {
      parts.push({ ...choice, kind: 'file', length: entry.payloadBytes, name: entry.name });
    }
  }
  const last = input.map.entries.at(-1);
  const start = last === undefined ? 0 : last.payloadStart + last.payloadBytes;
  const trailer = { start, end: input.map.size, old: trailerOf(plans, input.baseMaps) };
  return [...parts, ...(await headerPart(trailer, input.output, input.bases))];
}

async function planEntries(input: TarPlanInput): Promise<EntryPlan[]> {
  const { map, output, tree, signal } = input;
  const plans: EntryPlan[] = [];
  let gapStart = 0;
  for (const entry of map.entries) {
    const named = tree.named(entry.name);
    const content = await payloadDigest(output, entry, { signal });
    if (content === undefined) {
      plans.push({ entry, gapStart, header: named.at(-1), payload: { kind: 'none' } });
    } else {
      const holding = tree.holding(content);
      const same = holding.find((old) => named.includes(old)) ?? holding.at(-1);
      const old = same ?? tree.likeliest(entry);
      plans.push({
        entry,
        gapStart,
        header: same !== undefined && named.includes(same) ? same : (named.at(-1) ?? old),
        payload: same === undefined ? { kind: 'changed', old } : { kind: 'same', old: same },
      });
    }
    gapStart = entry.payloadStart + entry.payloadBytes;
    input.onRead?.(entry.end - entry.start);
  }
  return plans;
}

/** The changed files in their order. */
async function toChangedFiles(
  plans: readonly EntryPlan[],
  headers: readonly (readonly Part[])[],
  { tree, bases, output, signal }: TarPlanInput,
): Promise<ReadonlyMap<EntryPlan, ChangedFile>> {
  const alike = new AlikeFiles(tree, bases, { signal });
  const files = new Map<EntryPlan, ChangedFile>();
  let workBefore = 0;
  for (const [n, plan] of plans.entries()) {
    const { entry, payload } = plan;
    for (const part of headers[n] ?? []) if (part.codec !== CODEC.copy) workBefore += part.length;
    if (payload.kind !== 'changed') continue;
    const named = payload.old;
    const isLikely = named !== undefined && isAboutAsLong(named.entry, entry);
    const [old, ...others] = [
      ...(named === undefined ? [] : [named]),
      ...(isLikely ? [] : await alike.sourcesOf(entry, output)),
    ];
    files.set(plan, {
      offset: entry.payloadStart,
      length: entry.payloadBytes,
      old: old && payloadOf(old),
      others: others.map(payloadOf),
      workBefore,
    });
    workBefore = 0;
  }
  return files;
}

/** From one release to the next; what is not may have been split, or joined with something. */
function isAboutAsLong(old: TarEntry, entry: TarEntry): boolean {
  return Math.abs(old.payloadBytes - entry.payloadBytes) <= entry.payloadBytes * ALIKE_SHARE;
}

function payloadOf({ base, entry }: OldEntry): OldRange {
  return { base, offset: entry.payloadStart, length: entry.payloadBytes };
}

function copyPart(entry: TarEntry, { base, entry: old }: OldEntry): Part {
  const length = entry.payloadBytes;
  return {
    kind: 'file',
    length,
    codec: CODEC.copy,
    reason: REASON.sameBytes,
    name: entry.name,
    instructions: [{ kind: 'copy', length, base, offset: old.payloadStart }],
  };
}

function headerOf(old: OldEntry | undefined): OldRange | undefined {
  if (old === undefined) return undefined;
  const { base, gapStart, entry } = old;
  return { base, offset: gapStart, length: entry.payloadStart - gapStart };
}

/** The trailer of the tar that most of the last entries came from. */
function trailerOf(
  plans: readonly EntryPlan[],
  maps: ReadonlyMap<number, TarMap>,
): HeaderPlace['old'] {
  const base = plans.findLast((plan) => plan.header !== undefined)?.header?.base;
  const map = base === undefined ? undefined : maps.get(base);
  const last = map?.entries.at(-1);
  if (base === undefined || map === undefined || last === undefined) return undefined;
  const offset = last.payloadStart + last.payloadBytes;
  return { base, offset, length: map.size - offset };
}
