// The new .eh_frame, record by record (CODING.md, "Call frame records").

import { Bytes } from './bytes.ts';
import { EhBytes } from './eh-bytes.ts';
import { type EhModels, EhFlag } from './eh-models.ts';
import { EhPlaces } from './eh-places.ts';
import {
  AUGMENTATION_AT,
  CIE_AT,
  EhKind,
  type EhRecord,
  EhRecords,
  RANGE_AT,
  START_AT,
} from './eh-records.ts';
import { EhTemplate } from './eh-template.ts';
import type { Hole } from './head.ts';
import { imageAt, type Pair } from './pair.ts';
import type { Targets } from './targets.ts';
import { bitsOf, check, u32 } from './word.ts';

const Mode = { next: 0, found: 1, jump: 2, inserted: 3 } as const;

type Mode = (typeof Mode)[keyof typeof Mode];

const CIE_PAIRS = 64;
/** States of the next old record beside the run that its function goes on. */
const NO_FUNCTION = 5;
const AT_END = 8;
/** Instead of changes: the record describes no code. */
const NO_CHANGES = 12;

export interface NewFunction {
  readonly start: number;
  /** Address of its record. */
  readonly record: number;
}

export class EhFrame {
  readonly bytes: Bytes;
  readonly address: number;
  readonly functions: NewFunction[] = [];
  readonly #models: EhModels;
  readonly #old: EhRecords;
  readonly #places: EhPlaces;
  readonly #predictors;
  #done = 0;
  /** The old record after the last one. */
  #next = 0;
  /** 2 bits for each mode; a bit for each record that was not as predicted; the latest lowest. */
  #modes = 0;
  #misses = 0;
  readonly #ciePairs: { readonly old: number; readonly fresh: number }[] = [];
  #ciesNoted = 0;
  #lastCie = 0;

  constructor(pair: Pair, hole: Hole, targets: Targets, models: EhModels) {
    const image = imageAt(pair, hole.old);
    const oldAddress = image?.addressOf(hole.old);
    const address = pair.fresh.addressOf(hole.fresh);
    check(image !== undefined && oldAddress !== undefined, 'old .eh_frame is not loaded');
    check(address !== undefined && hole.bytes <= 16 << 20, 'new .eh_frame is not loaded');
    this.bytes = new Bytes(new Uint8Array(hole.bytes));
    this.address = address;
    this.#models = models;
    this.#old = new EhRecords(pair.old.copy(hole.old, hole.oldBytes), oldAddress, image.wordBytes);
    this.#places = new EhPlaces(pair.map, targets);
    this.#predictors = { map: pair.map, targets, places: this.#places };
    while (this.#done < hole.bytes) this.#record();
  }

  #record(): void {
    const [mode, old] = this.#name();
    const address = this.address + this.#done;
    const template = new EhTemplate(old);
    const until = old.kind === EhKind.fde ? this.#places.start(old).address : 0;
    const inserted = mode === Mode.inserted ? { until } : undefined;
    if (old.kind === EhKind.fde) {
      const start = inserted ? this.#places.insertedStart() : until;
      template.predictHead(this.#done + CIE_AT - this.#newCieOf(old.cie), start, address);
      template.predictTail(this.#predictors, start, address, inserted);
    }
    let { bytes } = template;
    const room = this.bytes.length - this.#done;
    if (this.#isSame(mode, old, template)) check(bytes.length <= room, 'record too long');
    else {
      const completed = (start: number) => {
        const again = new EhTemplate(old);
        again.predictTail(this.#predictors, start, address, inserted);
        return again;
      };
      const last = this.#lastBytes();
      bytes = new EhBytes(this.#models, template, last, room).read(
        old.kind === EhKind.fde ? { address, completed } : undefined,
      );
    }
    this.bytes.array.set(bytes.array, this.#done);
    this.#note(bytes, old, address);
  }

  /** The last four bytes, the latest lowest. */
  #lastBytes(): number {
    let bytes = 0;
    for (let back = 4; back > 0; back--) {
      bytes = u32((bytes << 8) | (this.bytes.array[this.#done - back] ?? 0));
    }
    return bytes;
  }

  /** Which old record the next one is told by. */
  #name(): [Mode, EhRecord] {
    const next = this.#next;
    const following = next < this.#old.count ? this.#old.get(next) : undefined;
    let state = following ? NO_FUNCTION + following.kind : AT_END;
    let trust = 0;
    let found: number | undefined;
    if (following?.kind === EhKind.fde) {
      const place = this.#places.start(following);
      ({ trust } = place);
      state = this.#places.runAt(place.address);
      if (state !== 0) found = this.#places.successor(this.#old, next, state);
    }
    const hint = found === undefined ? 0 : found < next ? 1 : 2;
    const decide = (id: number) =>
      this.#models.flag(id, this.#modes & 0xffff, state, hint + 4 * state, trust) !== 0;
    const mode = this.#mode(decide, found !== undefined);
    this.#modes = u32((this.#modes << 2) | mode);
    let index = next;
    if (mode === Mode.found) index = found ?? next;
    else if (mode === Mode.inserted) index = Math.min(next, this.#old.count - 1);
    else if (mode === Mode.jump) index = this.#jump();
    check(index < this.#old.count, 'no such old record');
    if (mode !== Mode.inserted) this.#next = index + 1;
    return [mode, this.#old.get(index)];
  }

  #mode(decide: (id: number) => boolean, hasFound: boolean): Mode {
    if (!decide(EhFlag.leave)) return Mode.next;
    if (hasFound && decide(EhFlag.found)) return Mode.found;
    return decide(EhFlag.inserted) ? Mode.inserted : Mode.jump;
  }

  #jump(): number {
    if (this.#models.flag(EhFlag.backwards, this.#modes & 0xffff) !== 0) {
      const distance = this.#models.number(1);
      check(distance <= this.#next, 'jump before the first record');
      return this.#next - distance;
    }
    return u32(this.#next + this.#models.number(0));
  }

  #isSame(mode: Mode, old: EhRecord, template: EhTemplate): boolean {
    const isFunction = old.kind === EhKind.fde;
    const kind = !isFunction ? 0 : old.facts.lsdaBytes === 0 ? 1 : 2;
    const same = this.#models.flag(
      EhFlag.same + kind * 4 + mode,
      this.#misses,
      isFunction ? template.changes : NO_CHANGES,
      bitsOf(template.bytes.length),
      ((template.startTrust + 1) >> 1) * 5 + ((template.endTrust + 1) >> 1),
    );
    this.#misses = u32((this.#misses << 1) | (same ^ 1));
    return same !== 0;
  }

  #newCieOf(cie: number): number {
    return this.#ciePairs.find((one) => one.old === cie)?.fresh ?? this.#lastCie;
  }

  #note(bytes: Bytes, old: EhRecord, address: number): void {
    if (bytes.length > AUGMENTATION_AT && bytes.u32(CIE_AT) !== 0) {
      const start = u32(address + START_AT + bytes.u32(START_AT));
      this.#places.note(start, bytes.u32(RANGE_AT));
      this.functions.push({ start, record: address });
    } else if (bytes.length > 4) {
      this.#lastCie = this.#done;
      if (old.kind === EhKind.cie) {
        this.#ciePairs[this.#ciesNoted++ % CIE_PAIRS] = { old: old.at, fresh: this.#done };
      }
    }
    this.#done += bytes.length;
  }
}
