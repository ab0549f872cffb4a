/** Why the kernel gives up; the host turns it into an error with a code. */
export const enum Fault {
  /** The coded bytes break FORMAT.md. */
  BAD_FORMAT = 1,
  /** Linear memory cannot grow. */
  MEMORY = 2,
  /** The session's time is over (asked of the host). */
  BUDGET = 3,
}

@external('host', 'fail')
declare function hostFail(fault: i32, detail: u32): void;

/** Tells the host, which throws: never returns. `detail` is a place or a size, for the message. */
export function fail(fault: Fault, detail: u32): void {
  hostFail(fault, detail);
  unreachable();
}
