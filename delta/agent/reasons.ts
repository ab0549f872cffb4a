const WORDS: Readonly<Record<string, string>> = {
  up_to_date: 'what runs is the newest release of the channel',
  no_release: 'the channel has no release for this platform',
  delta_building: 'the server is still building the delta from what runs',
  no_plan: 'the server has no way from what runs to the release that this device may take',
  updated: 'the newest release was installed',
  failed_before: 'the release was unhealthy here before; "update --retry" tries it again',
  not_before: 'the server gave this device a later turn',
  window_closed: 'the release is here, verified; the install window is closed',
  quota: 'the quota of bytes on the wire is spent',
  byte_ceiling: 'the release would cost more bytes on the wire than it may',
  no_space: 'the disk has too little room',
  plan_needs_more: 'the plans want more memory than the device has',
  unreachable: 'no server answered',
  captive_portal: 'a log-in page stands before the servers',
  unhealthy: 'the release was unhealthy and the device went back',
  no_plan_worked: 'no plan of the decision led to the release',
};

/** A reason's words after its code, and until when it holds. */
export function reasonInWords(code: string, untilMs?: number): string {
  const words = WORDS[code];
  const until = untilMs === undefined ? '' : `, until ${new Date(untilMs).toISOString()}`;
  return words === undefined ? `${code}${until}` : `${code} (${words})${until}`;
}
