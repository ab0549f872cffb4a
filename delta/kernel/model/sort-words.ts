/** Sorts `count` u64 at `words`, ascending (heap sort, in place). */
export function sortWords(words: usize, count: u32): void {
  for (let start = count >>> 1; start > 0; start--) sink(words, start - 1, count);
  for (let end = count; end > 1; end--) {
    const last = words + ((<usize>(end - 1)) << 3);
    const word = load<u64>(last);
    store<u64>(last, load<u64>(words));
    store<u64>(words, word);
    sink(words, 0, end - 1);
  }
}

/** Moves the word at `from` down until none of its children, below `count`, is greater. */
function sink(words: usize, from: u32, count: u32): void {
  const word = load<u64>(words + ((<usize>from) << 3));
  let parent = from;
  for (;;) {
    let child = parent * 2 + 1;
    if (child >= count) break;
    let greater = load<u64>(words + ((<usize>child) << 3));
    if (child + 1 < count) {
      const other = load<u64>(words + ((<usize>child) << 3), 8);
      if (other > greater) {
        greater = other;
        child++;
      }
    }
    if (word >= greater) break;
    store<u64>(words + ((<usize>parent) << 3), greater);
    parent = child;
  }
  store<u64>(words + ((<usize>parent) << 3), word);
}
