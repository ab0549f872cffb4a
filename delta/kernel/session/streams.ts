// Coded bytes between kernel and host.

import { alloc, mark, release } from '../memory';

const MAX_STREAMS: u32 = 4;

let pointers: usize = 0;
let count: u32 = 0;
/** Input buffers are dropped when the first one of the next section is asked for. */
let inputs: usize = 0;

export function openStreams(): void {
  pointers = alloc(<usize>MAX_STREAMS << 3);
  count = 0;
  inputs = 0;
}

/** What the last call made: `bytes` at `pointer`, as stream `index`. */
export function setOutput(index: u32, pointer: usize, bytes: u32): void {
  store<u32>(pointers + (<usize>index << 3), <u32>pointer);
  store<u32>(pointers + (<usize>index << 3), bytes, 4);
  count = index + 1;
}

export function outputStreams(): u32 {
  return count;
}

export function outputPointer(index: u32): usize {
  return load<u32>(pointers + (<usize>index << 3));
}

export function outputBytes(index: u32): u32 {
  return load<u32>(pointers + (<usize>index << 3), 4);
}

/** Everything allocated from now on is dropped with the inputs. */
export function keepInputs(): void {
  inputs = mark();
}

/** Where the host puts `bytes` bytes of coded stream `index`; the first index drops the last inputs. */
export function inputPointer(index: u32, bytes: u32): usize {
  if (index === 0 && inputs !== 0) release(inputs);
  const at = alloc(bytes);
  store<u32>(pointers + (<usize>index << 3), <u32>at);
  store<u32>(pointers + (<usize>index << 3), bytes, 4);
  count = index + 1;
  return at;
}
