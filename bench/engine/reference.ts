/** Bytes of one pair's delta as the design has them on record. */
export interface Reference {
  readonly bsdiff: number;
  /** `-m-6 -SD`, lzma2. */
  readonly hdiffpatch: number;
  /** Zucchini, its patch in xz -9e. */
  readonly zucchini: number;
  /** The first sketch of this engine, its streams in the mixing coder. */
  readonly sketch: number;
}

/**
 * Source: `design/delta-engine.md`, "Every public pair". The versions are those of the pairs of
 * this bench: bsdiff and HDiffPatch make the same bytes of them.
 */
export const REFERENCES: Readonly<Record<string, Reference>> = {
  'esbuild-arm': row(406_806, 342_618, 358_728, 120_369),
  'esbuild-arm64': row(394_502, 349_935, 372_876, 111_629),
  'esbuild-x64': row(502_280, 424_078, 439_976, 144_516),
  'libc-amd64': row(54_976, 49_494, 30_916, 12_018),
  'libc-arm64': row(226_432, 205_327, 152_924, 97_960),
  'libcrypto-amd64': row(204_087, 188_514, 143_832, 22_835),
  'libcrypto-arm64': row(167_240, 181_294, 127_056, 22_348),
  'libcrypto-armhf': row(193_433, 173_239, 108_720, 42_903),
  'libcurl-amd64': row(42_951, 39_720, 23_608, 11_696),
  'libcurl-arm64': row(85_731, 78_069, 52_804, 30_539),
  'node-x64': row(2_262_562, 1_768_125, 2_156_472, 501_415),
  'python-amd64': row(935_260, 818_034, 522_904, 375_852),
  'python-arm64': row(431_814, 408_802, 250_096, 121_874),
  'sentry-arm': row(370_104, 333_361, 322_944, 118_316),
  'sentry-arm64': row(369_974, 398_092, 309_988, 75_937),
  'sentry-x64': row(435_460, 449_959, 275_460, 75_029),
  'vips-arm': row(646_726, 543_068, 360_672, 247_371),
  'vips-arm64': row(1_103_486, 853_982, 865_540, 278_441),
  'vips-x64': row(911_377, 727_739, 775_820, 273_503),
};

function row(bsdiff: number, hdiffpatch: number, zucchini: number, sketch: number): Reference {
  return { bsdiff, hdiffpatch, zucchini, sketch };
}
