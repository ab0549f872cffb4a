// The cheapest way through the new bytes, as a tree of changes of shift while a zone is decided.

import { alloc } from '../memory';
import { addBlock, lastShift, LITERAL } from './found';
import { freshLength, isOld } from './inputs';

/** A change of shift, 12 bytes. */
@unmanaged
class Node {
  shift: i32;
  /** The first new byte that has it. */
  from: i32;
  /** The node before, -1 for the first; while a path is committed, the one after. */
  other: i32;
}

const NODE_BYTES: usize = 12;
const MAX_NODES: i32 = 1 << 18;
const SPARE_NODES: i32 = 16;

/** The shift that is followed where nothing is decided yet, and the first new byte that has it. */
export let followed: i32 = 0;
export let since: i32 = 0;

let nodes: usize = 0;
let nodeCount: i32 = 0;
let mostNodes: i32 = 0;

export function openPath(): void {
  // A zone makes at most one for each of its bytes: small files need not have all of them cleared.
  mostNodes = min(MAX_NODES, freshLength + SPARE_NODES);
  nodes = alloc(<usize>mostNodes * NODE_BYTES);
  followed = 0;
  since = 0;
}

/** Begins a tree with the followed shift as its node 0. */
export function plantPath(): void {
  nodeCount = 0;
  makeNode(followed, since, -1);
}

/** True if the next {@link makeNode} might fail; the caller then commits. */
export function isPathFull(): bool {
  return nodeCount >= mostNodes;
}

export function makeNode(shift: i32, from: i32, before: i32): i32 {
  const node = nodeAt(nodeCount);
  node.shift = shift;
  node.from = from;
  node.other = before;
  return nodeCount++;
}

/** Decides for the path that ends in the node, whose shift is then followed. */
export function commitPath(last: i32): void {
  let after: i32 = -1;
  for (let i = last; i >= 0;) {
    const node = nodeAt(i);
    const before = node.other;
    node.other = after;
    after = i;
    i = before;
  }
  for (let i = after; i !== last;) {
    const node = nodeAt(i);
    i = node.other;
    addBlock(node.shift, node.from, nodeAt(i).from);
  }
  followed = nodeAt(last).shift;
  since = nodeAt(last).from;
}

/** After bytes that are not copied: follows the last block's shift again, from `place`. */
export function leaveLiterals(place: i32): void {
  followed = lastShift();
  if (!isOld(place + followed)) followed = -place;
  since = place;
}

/** The end of the new bytes: decides for the followed shift. */
export function finishPath(end: i32): void {
  if (followed !== LITERAL) addBlock(followed, since, end);
}

@inline
function nodeAt(index: i32): Node {
  return changetype<Node>(nodes + <usize>index * NODE_BYTES);
}
