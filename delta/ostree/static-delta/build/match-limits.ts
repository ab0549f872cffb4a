const MIB = 1024 * 1024;

/** Old and new bytes of a pair that are matched as a whole, in memory; larger ones go by windows. */
export const PAIR_BYTES = 384 * MIB;
/** Of those, the part that new bytes take of a window... */
export const WINDOW_SHARE = 1 / 6;
/** ...and that old bytes before, and after, the same place take. */
export const REACH_SHARE = 1 / 12;
/** The largest file that is coded as a bsdiff stream, which is longer than the file itself. */
export const PATCHED_BYTES = 384 * MIB;
