/** One sample of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const HELP = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary)$/;
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (Na[nN]|[+-]Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;

/**
 * Reads the text exposition format (Prometheus, "Text-based format", version 0.0.4) and throws at
 * whatever a scraper might stumble over: no HELP or TYPE before a sample, a family in two places, one
 * series twice, a counter that is negative, buckets that are not cumulative or do not end in the count.
 */
export function readExposition(text: string): readonly Sample[] {
  if (!text.endsWith('\n')) throw new Error('no line feed at the end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  let [family, help] = ['', ''];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      help = HELP.exec(line)?.[1] ?? fail(line);
      continue;
    }
    if (line.startsWith('#')) {
      const [, name = fail(line), type = ''] = TYPE.exec(line) ?? fail(line);
      if (name !== help || types.has(name)) fail(line);
      types.set(name, type);
      family = name;
      continue;
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? fail(line);
    const suffix = types.get(family) === 'histogram' ? /_(bucket|sum|count)$/ : /$/;
    if (name.replace(suffix, '') !== family) fail(line);
    const sample = {
      name,
      labels: readLabels(labels, line),
      value: Number(value.replace('Inf', 'Infinity')),
    };
    const key = `${name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) fail(`twice: ${line}`);
    if (types.get(family) === 'counter' && !(sample.value >= 0)) fail(line);
    seen.add(key);
    samples.push(sample);
  }
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples);
  return samples;
}

function readLabels(text: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== '';) {
    const [all, name = '', value = ''] = LABEL.exec(rest) ?? fail(line);
    if (name in labels) fail(line);
    labels[name] = value;
    rest = rest.slice(all.length);
  }
  return labels;
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, number[]>();
  for (const sample of samples.filter((s) => s.name === `${name}_bucket`)) {
    const { le = fail(`${name} without le`), ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    const counts = series.get(key) ?? [];
    series.set(key, [...counts, sample.value]);
    if (sample.value < (counts.at(-1) ?? 0)) fail(`${name} is not cumulative`);
    if (le !== '+Inf') continue;
    const total = samples.find(
      (s) => s.name === `${name}_count` && JSON.stringify(s.labels) === key,
    );
    if (total?.value !== sample.value) fail(`${name}: +Inf is not the count`);
  }
}

function fail(line: string): never {
  throw new Error(`not the exposition format: ${line}`);
}

/** The value of one series; undefined when it is not there. */
export function valueOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  return samples.find(
    (sample) =>
      sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value),
  )?.value;
}
