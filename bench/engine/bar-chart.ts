/** One panel of a chart: a measure with a bar for each program. */
export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  /** From 0; the longest of the panel takes the whole width. */
  readonly value: number;
  /** The value in words. */
  readonly text: string;
  /** Set apart by its colour. */
  readonly isOurs: boolean;
}

const WIDTH = 760;
const MARGIN = 16;
const LABELS = 210;
const VALUES = 90;
const BAR = 18;
const STEP = 26;
const TITLE = 34;

/** Readable on white and on black: the colours follow the reader's scheme. */
const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; }
    .label { text-anchor: end; }
    .bar { fill: #8c959f; }
    .ours { fill: #0969da; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .bar { fill: #6e7681; }
      .ours { fill: #58a6ff; }
    }`;

/** Horizontal bars, panel under panel, as an SVG document. */
export function barChart(title: string, panels: readonly Panel[]): string {
  let y = MARGIN;
  const parts = panels.map((panel) => {
    const drawn = drawPanel(panel, y);
    y += TITLE + panel.bars.length * STEP + MARGIN;
    return drawn;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="${escape(title)}">`,
    `  <style>${STYLE}\n  </style>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function drawPanel({ title, bars }: Panel, top: number): string {
  const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const room = WIDTH - 2 * MARGIN - LABELS - VALUES;
  const lines = bars.map(({ label, value, text, isOurs }, index) => {
    const y = top + TITLE + index * STEP;
    const length = Math.max(1, (value / longest) * room).toFixed(1);
    const [left, middle] = [MARGIN + LABELS, y + BAR / 2 + 4.5];
    return [
      `  <text class="label" x="${left - 8}" y="${middle}">${escape(label)}</text>`,
      `  <rect class="bar${isOurs ? ' ours' : ''}" x="${left}" y="${y}" width="${length}" height="${BAR}" rx="2"/>`,
      `  <text x="${left + Number(length) + 6}" y="${middle}">${escape(text)}</text>`,
    ].join('\n');
  });
  return [
    `  <text class="title" x="${MARGIN}" y="${top + 16}">${escape(title)}</text>`,
    ...lines,
  ].join('\n');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
