const MIB = 1024 * 1024;

/** Old and new bytes of a pair that are matched as a whole, in memory; larger ones go by windows. */
export const PAIR_BYTES = 384 * MIB;
/** New bytes of a window, and how many old bytes before and after the same place belong to it. */
export const WINDOW_BYTES = 64 * MIB;
export const WINDOW_REACH_BYTES = 32 * MIB;
/** The largest file that is coded as a bsdiff stream, which is longer than the file itself. */
export const PATCHED_BYTES = 384 * MIB;
