// What the coder's state and its latest distances are once a step is reached, by the symbols that led there.

import { afterLiteral, afterMatch, afterRep, afterShortRep } from './model';
import { Step, stepAt } from './steps';
import { FAR, LITERAL, SHORT_REP } from './symbols';

/** Sets state and distances of a step by the one before it. */
export function arrive(offset: i32): void {
  const step = stepAt(offset);
  const before = stepAt(step.from);
  step.state = before.state;
  step.rep0 = before.rep0;
  step.rep1 = before.rep1;
  step.rep2 = before.rep2;
  step.rep3 = before.rep3;
  if (step.first !== 1) take(step, step.way);
  if (step.first > 0) step.state = afterRep(afterLiteral(step.state));
}

function take(step: Step, way: u32): void {
  if (way === LITERAL) step.state = afterLiteral(step.state);
  else if (way === SHORT_REP) step.state = afterShortRep(step.state);
  else if (way >= FAR) {
    step.state = afterMatch(step.state);
    step.rep3 = step.rep2;
    step.rep2 = step.rep1;
    step.rep1 = step.rep0;
    step.rep0 = way - FAR;
  } else {
    step.state = afterRep(step.state);
    const distance = repOf(step, way);
    if (way === 3) step.rep3 = step.rep2;
    if (way >= 2) step.rep2 = step.rep1;
    if (way >= 1) step.rep1 = step.rep0;
    step.rep0 = distance;
  }
}

@inline
export function repOf(step: Step, index: u32): u32 {
  return index === 0
    ? step.rep0
    : index === 1
      ? step.rep1
      : index === 2
        ? step.rep2
        : step.rep3;
}
