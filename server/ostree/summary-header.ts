/**
 * Goes with `summary.sig`: the digest of the summary that it signs. A regional cache keeps both together,
 * and asks again when the summary has moved on between its two requests.
 */
export const SUMMARY_HEADER = 'rivulet-summary';
