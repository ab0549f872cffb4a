// Where the bytes at a place stood before. Streams of bsdiff are zeros but for few bytes, so only bytes
// other than 0 are looked for: what begins with zeros is found by what follows them, and is extended back.
// Trees of suffixes as in liblzma's bt4, one for each beginning, of the latest places only.

import { alloc } from '../memory';
import { LEAST_LENGTH, MOST_LENGTH } from './lengths';
import { byteAt, common, dictionary, end, nextEvent, origin, start } from './window';

/** Nodes of trees that are looked at for one place. */
const DEPTH: u32 = 24;
const TREE_BITS: u32 = 18;
const NEAR_BITS: u32 = 16;
/** Nodes that are held, at most: a power of two. */
const MAX_NODES: u32 = 1 << 23;
/** Nodes that one allocation makes room for. */
const CHUNK: u32 = 1 << 16;
const NODE_BYTES: usize = 12;
/** Bytes of a match that cost much less by it, however far it lies back. */
const WORTH: i32 = 12;
/** Zeros before something known that are looked at. */
const MOST_ZEROS: i32 = 256;

/** Matches found: u32 length, u32 distance less 1; ascending by length, at most one of each. */
export const found: usize = memory.data(280 * 8, 16);
export let foundCount: i32 = 0;

/** Of the last event that was looked for, likewise. */
const eventFound: usize = memory.data(280 * 8, 16);
let eventCount: i32 = 0;
let eventPlace: i32 = -1;

/** Number of the latest node in a tree's root, by hash; 0 for none. */
let roots: usize = 0;
/** The latest place plus 1, by hashes of 2, 3 and 4 bytes. */
let near: usize = 0;
/** By number modulo MAX_NODES: lesser and greater child, place. */
let nodes: usize = 0;
let nodeRoom: u32 = 0;
let lastNode: u32 = 0;
/** All events before this place are in the trees. */
let known: i32 = 0;

/** Nothing else may be allocated afterwards: the nodes grow. */
export function openFinder(): void {
  roots = alloc(4 << TREE_BITS);
  near = alloc((3 * 4) << NEAR_BITS);
  nodes = alloc(0);
  nodeRoom = 0;
  lastNode = 0;
  known = 0;
  eventPlace = -1;
  eventCount = 0;
}

/** Finds matches for `place`; places are asked for in ascending order, but not all of them. */
export function findMatches(place: i32): void {
  foundCount = 0;
  if (byteAt(place) !== 0) {
    findEvent(place);
    foundCount = eventCount;
    memory.copy(found, eventFound, <usize>eventCount << 3);
    return;
  }
  const limit = min(place + MOST_ZEROS, end);
  const event = nextEvent(place, limit);
  const zeros = event - place;
  if (place > start && byteAt(place - 1) === 0) {
    // More of the same zeros.
    const length = common(origin + place, origin + (place - 1), mostAt(place));
    if (length >= <i32>LEAST_LENGTH) add(length, 0);
  }
  if (event === limit) return;
  findEvent(event);
  const most = mostAt(place);
  for (let i = 0; i < eventCount; i++) {
    const at = eventFound + (<usize>i << 3);
    const distance = load<u32>(at, 4);
    const from = event - <i32>distance - 1;
    if (from - start < zeros) continue;
    if (common(origin + (from - zeros), origin + place, zeros) < zeros) continue;
    const length = min(<i32>load<u32>(at) + zeros, most);
    if (foundCount > 0 && <i32>load<u32>(found + (<usize>(foundCount - 1) << 3)) >= length) continue;
    add(length, distance);
  }
}

@inline
function add(length: i32, distance: u32): void {
  const at = found + (<usize>foundCount << 3);
  foundCount++;
  store<u32>(at, <u32>length);
  store<u32>(at, distance, 4);
}

@inline
function mostAt(place: i32): i32 {
  return min(<i32>MOST_LENGTH, end - place);
}

/**
 * True if anything worth a copy of what stands at `from` to `to` is in the trees: by a sample of the
 * places, always the same ones of the same bytes.
 */
export function isKnown(from: i32, to: i32): bool {
  for (let place = max(from, known); place < to; place++) {
    if (isSampled(place) && longestAt(place) >= WORTH) return true;
  }
  return false;
}

/** Takes places that are not looked for into the trees, as many as `isKnown` looks at. */
export function passSampled(from: i32, to: i32): void {
  for (known = max(from, known); known < to; known++) {
    if (isSampled(known)) insert(known, false);
  }
}

/** One place in eight. */
@inline
function isSampled(place: i32): bool {
  return byteAt(place) !== 0 && (load<u32>(origin + place) * 0x85ebca6b) >> 29 === 0;
}

/** The longest match in the tree, which stays as it is. */
function longestAt(place: i32): i32 {
  const limit = mostAt(place);
  if (limit < 5) return 0;
  const here = origin + place;
  let current = load<u32>(roots + (<usize>treeHash(place, load<u32>(here)) << 2));
  let longest: i32 = 0;
  for (let depth = DEPTH; depth > 0; depth--) {
    if (current === 0 || lastNode - current >= MAX_NODES) break;
    const other = nodeOf(current);
    const from = load<i32>(other, 8);
    if (from < start || place - from > dictionary) break;
    const there = origin + from;
    const length = common(there, here, limit);
    longest = max(longest, length);
    if (length === limit) break;
    const isLess = load<u8>(there + length) < load<u8>(here + length);
    current = load<u32>(isLess ? other + 4 : other);
  }
  return longest;
}

/** Takes all events before a place into the trees. */
export function learnUpTo(place: i32): void {
  // What coding has passed without looking for anything may be gone.
  known = max(known, start);
  while (known < place) {
    known = nextEvent(known, place);
    if (known < place) insert(known++, false);
  }
}

function findEvent(place: i32): void {
  if (eventPlace === place) return;
  learnUpTo(place);
  eventCount = 0;
  eventPlace = place;
  insert(place, true);
  known = place + 1;
}

/** Puts an event into its tree; adds what is found on the way, if wanted, to the event's matches. */
function insert(place: i32, isWanted: bool): void {
  const limit = mostAt(place);
  if (limit < 5) return;
  const here = origin + place;
  const word = load<u32>(here);
  let best: i32 = 1;
  if (isWanted) best = findNear(place, limit, word);
  else rememberNear(place, word);
  const number = ++lastNode;
  const node = nodeOf(number);
  store<i32>(node, place, 8);
  const root = roots + (<usize>treeHash(place, word) << 2);
  let current = load<u32>(root);
  store<u32>(root, number);
  let lesser = node;
  let greater = node + 4;
  let lesserLength: i32 = 0;
  let greaterLength: i32 = 0;
  for (let depth = DEPTH; ; depth--) {
    const isHeld = current !== 0 && number - current < MAX_NODES && depth !== 0;
    const other = nodeOf(isHeld ? current : number);
    const from = load<i32>(other, 8);
    if (!isHeld || from < start || place - from > dictionary) {
      store<u32>(lesser, 0);
      store<u32>(greater, 0);
      return;
    }
    const there = origin + from;
    let length = min(lesserLength, greaterLength);
    length += common(there + length, here + length, limit - length);
    if (length > best) {
      best = length;
      if (isWanted) addEvent(length, <u32>(place - from) - 1);
    }
    if (length === limit) {
      store<u32>(lesser, load<u32>(other));
      store<u32>(greater, load<u32>(other, 4));
      return;
    }
    if (load<u8>(there + length) < load<u8>(here + length)) {
      store<u32>(lesser, current);
      lesser = other + 4;
      current = load<u32>(lesser);
      lesserLength = length;
    } else {
      store<u32>(greater, current);
      greater = other;
      current = load<u32>(greater);
      greaterLength = length;
    }
  }
}

/** The latest places with the same 2, 3 and 4 bytes; returns the longest length. */
function findNear(place: i32, limit: i32, word: u32): i32 {
  let best: i32 = 1;
  for (let bytes: u32 = 2; bytes <= 4; bytes++) {
    const slot = nearSlot(word, bytes);
    const from = load<i32>(slot) - 1;
    store<i32>(slot, place + 1);
    if (from < start || place - from > dictionary) continue;
    const length = common(origin + from, origin + place, limit);
    if (length <= best) continue;
    best = length;
    addEvent(length, <u32>(place - from) - 1);
  }
  return best;
}

function rememberNear(place: i32, word: u32): void {
  for (let bytes: u32 = 2; bytes <= 4; bytes++) store<i32>(nearSlot(word, bytes), place + 1);
}

@inline
function nearSlot(word: u32, bytes: u32): usize {
  const hash = ((word << (32 - (bytes << 3))) * 0x9e3779b1) >> (32 - NEAR_BITS);
  return near + (<usize>(((bytes - 2) << NEAR_BITS) + hash) << 2);
}

/**
 * Of the first 4 bytes; if they end in zeros, also of how many zeros follow and of the byte after them, since
 * the same byte before any number of zeros is everywhere.
 */
function treeHash(place: i32, word: u32): u32 {
  let hash = word * 0x9e3779b1;
  if (word >> 16 === 0) {
    const limit = min(place + 4 + MOST_ZEROS, end);
    const event = nextEvent(place + 4, limit);
    hash = (hash ^ (<u32>(event - place) << 8)) * 0x85ebca6b;
    if (event < limit) hash = (hash ^ byteAt(event)) * 0xc2b2ae35;
  }
  return (hash ^ (hash >> 15)) * 0x9e3779b1 >> (32 - TREE_BITS);
}

@inline
function addEvent(length: i32, distance: u32): void {
  const at = eventFound + (<usize>eventCount << 3);
  eventCount++;
  store<u32>(at, <u32>length);
  store<u32>(at, distance, 4);
}

function nodeOf(number: u32): usize {
  const slot = number & (MAX_NODES - 1);
  while (slot >= nodeRoom) {
    alloc(<usize>CHUNK * NODE_BYTES);
    nodeRoom += CHUNK;
  }
  return nodes + <usize>slot * NODE_BYTES;
}
