// The diagonals that a zone keeps alive: shifts that compete for the next bytes.

/** A live diagonal, 40 bytes. */
@unmanaged
export class Lane {
  shift: i32;
  /** Of the cheapest path that ends on it. */
  cost: i32;
  /** What it costs to change to it. */
  price: i32;
  /** The path's node, or -1 when it is not made yet: then from `from` on, after node `before`. */
  node: i32;
  from: i32;
  before: i32;
  /** Bytes that agreed up to here. */
  run: i32;
  /** The last place where something spoke for it. */
  seen: i32;
  /** The last four differences. */
  recent: u32;
}

export const LANE_BYTES: usize = 40;
const MAX_LANES: usize = 6;

export const lanes: usize = memory.data(240, 16);
export let lanesEnd: usize = lanes;

export function clearLanes(): void {
  lanesEnd = lanes;
}

/** Keeps the lanes below `end`. */
@inline
export function cutLanes(end: usize): void {
  lanesEnd = end;
}

/** If the shift is alive: marks it as seen at `place`, and returns true. */
@inline
export function seeLane(shift: i32, place: i32): bool {
  for (let at = lanes; at < lanesEnd; at += LANE_BYTES) {
    const lane = changetype<Lane>(at);
    if (lane.shift !== shift) continue;
    if (lane.seen < place) lane.seen = place;
    return true;
  }
  return false;
}

/** A new lane, seen at `place`, in the place of the worst if there are too many. */
export function addLane(shift: i32, cost: i32, price: i32, place: i32, best: i32): Lane {
  let at = lanesEnd;
  if (at === lanes + MAX_LANES * LANE_BYTES) at = worstLane(place, best);
  else lanesEnd += LANE_BYTES;
  const lane = changetype<Lane>(at);
  lane.shift = shift;
  lane.cost = cost;
  lane.price = price;
  lane.node = -1;
  lane.run = 0;
  lane.seen = place;
  lane.recent = 0;
  return lane;
}

/** The lane that is dearest and was seen longest ago. */
function worstLane(place: i32, best: i32): usize {
  let worst = lanes;
  let worstBy: i32 = -1;
  for (let at = lanes; at < lanesEnd; at += LANE_BYTES) {
    const lane = changetype<Lane>(at);
    const by = (lane.cost - best) * 4 + (place - lane.seen);
    if (by <= worstBy) continue;
    worstBy = by;
    worst = at;
  }
  return worst;
}
