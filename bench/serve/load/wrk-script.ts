/** Starts the line that the script prints in the end. */
export const RESULT_MARK = 'wrk-result ';

/**
 * Prints what wrk counted, exactly where its own words are rounded. Latencies in microseconds; the
 * errors are those of connecting, reading, writing, waiting and of statuses from 400 on.
 */
const DONE = `
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '${RESULT_MARK}{"requests":%d,"bytes":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d,"refusals":%d}\\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout, e.status))
end
`;

/** Asks at random for what a file lists, one path and its range a line, in the same order each time. */
const REQUESTS = `
local gets = {}
function init(args)
  for line in io.lines(args[1]) do
    local path, range = line:match("^(%S+) ?(.*)$")
    gets[#gets + 1] = wrk.format("GET", path, range ~= "" and { ["Range"] = range } or {})
  end
  math.randomseed(1)
end
function request()
  return gets[math.random(#gets)]
end
`;

/** A script for wrk. Only several different requests are worth a call into Lua for each. */
export function wrkScript(several: boolean): string {
  return several ? REQUESTS + DONE : DONE;
}
