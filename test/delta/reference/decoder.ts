// The reference decoder: what delta/kernel/CODING.md says, written for reading. It holds the old and the
// new file in memory and is slow; tests hold the kernel to it.

import { ArmModes } from './arm-modes.ts';
import { BitReader } from './bit-reader.ts';
import { BlockMap } from './block-map.ts';
import { Bytes } from './bytes.ts';
import { MixedEhModels, PlainEhModels } from './eh-models.ts';
import { readHead } from './head.ts';
import { MixedLiterals, PlainLiterals } from './literals.ts';
import { MixedNumbers, PlainNumbers } from './numbers.ts';
import { Output } from './output.ts';
import type { Pair } from './pair.ts';
import { PlainStreams } from './plain-streams.ts';
import { MixedResidual, PlainResidual } from './residual.ts';
import { OldReferences } from './scan.ts';
import { endOfSection, Section, type SectionModels } from './section.ts';
import { parseSources, type Source } from './sources.ts';
import { Targets } from './targets.ts';
import { X64Branches } from './x64-branches.ts';
import { X64Code } from './x64-code.ts';
import { check } from './word.ts';

export type Profile = 'small' | 'fast';

export interface CodedPair {
  readonly profile: Profile;
  readonly old: Uint8Array;
  readonly sources: readonly Source[];
  readonly newBytes: number;
  /** Streams: one of the small profile, up to four of the fast one. */
  readonly control: readonly Uint8Array[];
  readonly sections: readonly (readonly Uint8Array[])[];
}

/** The new file. Throws FormatFault when the coded bytes break CODING.md. */
export function decodePair(coded: CodedPair): Uint8Array {
  const pair = readControl(coded);
  const fresh = new Uint8Array(coded.newBytes);
  let from = 0;
  for (const streams of coded.sections) {
    const end = endOfSection(from, coded.newBytes, pair.holes);
    decodeSection(pair, coded.profile, streams, new Output(fresh, from), end);
    from = end;
  }
  check(from === coded.newBytes, 'sections are missing');
  return fresh;
}

function readControl(coded: CodedPair): Pair {
  const old = new Bytes(coded.old);
  const images = parseSources(old, coded.sources);
  const input = openInput(coded.profile, coded.control);
  const numbers = input instanceof BitReader ? new MixedNumbers(input) : new PlainNumbers(input);
  const head = readHead(numbers, images[0], old.length, coded.newBytes);
  check(input.isUsedUp, 'control goes on');
  return {
    ...head,
    old,
    images,
    references: new OldReferences(old, images),
    armModes: new ArmModes(old),
    map: new BlockMap(head.blocks, images, head.fresh),
  };
}

function decodeSection(
  pair: Pair,
  profile: Profile,
  streams: readonly Uint8Array[],
  out: Output,
  end: number,
): void {
  const input = openInput(profile, streams);
  const targets = new Targets(pair.map);
  const models =
    input instanceof BitReader ? mixedModels(pair, targets, input) : plainModels(input);
  new Section(pair, targets, models, out, end).make();
  check(input.isUsedUp && out.at === end, 'section goes on');
}

function openInput(profile: Profile, streams: readonly Uint8Array[]): BitReader | PlainStreams {
  if (profile === 'fast') return new PlainStreams(streams);
  return new BitReader(streams[0] ?? new Uint8Array(0));
}

function mixedModels(pair: Pair, targets: Targets, reader: BitReader): SectionModels {
  const x64 = new X64Code(pair.fresh, pair.map);
  return {
    residual: new MixedResidual(reader, pair, x64),
    literals: new MixedLiterals(reader, pair, targets, x64),
    ehModels: () => new MixedEhModels(reader),
    branches: x64.branches,
  };
}

function plainModels(streams: PlainStreams): SectionModels {
  return {
    residual: new PlainResidual(streams),
    literals: new PlainLiterals(streams),
    ehModels: () => new PlainEhModels(streams),
    branches: new X64Branches(),
  };
}
