// Which old record tells the next one: the one after the last one, the one found by its function's place,
// one some records away, or none, when the function is new.

import { encoding } from '../code/arith';
import { fail, Fault } from '../fail';
import { chooseRecord } from './eh-choose';
import { codeEhFlag, codeEhNumber, EhFlag } from './eh-code';
import { ehRecordCount, readEhRecordOf } from './eh-index';
import { findSuccessor, NO_RECORD, predictedTrust, predictStart, runAt } from './eh-places';
import { EhKind } from './eh-records';
import { done, oldRecord } from './eh-unit';

export const enum EhMode {
  NEXT = 0,
  FOUND = 1,
  JUMP = 2,
  INSERTED = 3,
}

/** States of the next old record beside the run that its function goes on (0 to 4). */
const NO_FUNCTION: u32 = 5;
const AT_END: u32 = 8;

/** The old record after the last one. */
let next: u32 = 0;
/** 2 bits for each mode, the latest lowest. */
let modes: u32 = 0;
let state: u32 = 0;
let hint: u32 = 0;
let trust: u32 = 0;

export function resetEhNames(): void {
  next = 0;
  modes = 0;
}

/** Codes the name of the next record's old one and reads that into `oldRecord`. */
export function codeEhName(): EhMode {
  const found = lookAhead();
  let index = encoding ? chooseRecord(next, found) : next;
  let mode: EhMode =
    index === NO_RECORD
      ? EhMode.INSERTED
      : index === next
        ? EhMode.NEXT
        : index === found
          ? EhMode.FOUND
          : EhMode.JUMP;
  mode = codeMode(mode, found !== NO_RECORD);
  modes = (modes << 2) | mode;
  if (mode === EhMode.NEXT) index = next;
  else if (mode === EhMode.FOUND) index = found;
  else if (mode === EhMode.INSERTED) index = min(next, ehRecordCount - 1);
  else index = codeJump(index);
  if (index >= ehRecordCount) fail(Fault.BAD_FORMAT, done);
  // Choosing reads others; otherwise lookAhead has read the next one.
  if (encoding || index !== next) readEhRecordOf(index, oldRecord);
  if (mode !== EhMode.INSERTED) next = index + 1;
  return mode;
}

/** Sets the contexts; the record that goes on better than the next one, or NO_RECORD. */
function lookAhead(): u32 {
  let found = NO_RECORD;
  state = AT_END;
  trust = 0;
  if (next < ehRecordCount) {
    readEhRecordOf(next, oldRecord);
    state = NO_FUNCTION + oldRecord.kind;
    if (oldRecord.kind === EhKind.FDE) {
      state = runAt(predictStart(oldRecord));
      trust = predictedTrust;
      if (state !== 0) found = findSuccessor(next, state);
    }
  }
  hint = found === NO_RECORD ? 0 : found < next ? 1 : 2;
  return found;
}

function codeMode(mode: EhMode, hasFound: bool): EhMode {
  if (!codeDecision(mode !== EhMode.NEXT, EhFlag.LEAVE)) return EhMode.NEXT;
  if (hasFound && codeDecision(mode === EhMode.FOUND, EhFlag.FOUND)) return EhMode.FOUND;
  return codeDecision(mode === EhMode.INSERTED, EhFlag.INSERTED) ? EhMode.INSERTED : EhMode.JUMP;
}

function codeDecision(is: bool, flag: u32): bool {
  return codeEhFlag(is ? 1 : 0, flag, modes & 0xffff, state, hint + 4 * state, trust) !== 0;
}

/** Codes a record's index by its distance from the next one. */
function codeJump(index: u32): u32 {
  if (codeEhFlag(index < next ? 1 : 0, EhFlag.BACKWARDS, modes & 0xffff, 0, 0, 0)) {
    const distance = codeEhNumber(next - index, 1);
    if (distance > next) fail(Fault.BAD_FORMAT, distance);
    return next - distance;
  }
  return next + codeEhNumber(index - next, 0);
}
