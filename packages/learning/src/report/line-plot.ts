/** A line plot as SVG: axes, legend, error bars; readable on a light and on a dark page. */

interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** Half the length of the error bar; none where absent or 0. */
  readonly error?: number;
}

interface PlotSeries {
  readonly name: string;
  readonly points: readonly PlotPoint[];
}

interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Names of x = 0, 1, ...; then points are not joined. */
  readonly categories?: readonly string[];
  readonly series: readonly PlotSeries[];
}

const WIDTH = 760;
const TOP = 46;
const LEFT = 64;
const RIGHT = 20;
const PLOT_HEIGHT = 280;
const LEGEND_ROW = 20;
const LEGEND_COLUMNS = 2;
/** Below the axis: numbers, the axis' name. */
const AXIS_ROOM = 52;
/** Further room for slanted names of categories. */
const CATEGORY_ROOM = 70;
const TICKS = 5;

/** Distinct for those who see few colours (Okabe and Ito), and by dashes and marks. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7f7f7f"];
const DASHES = ["none", "7 3", "2 3", "9 3 2 3", "none", "7 3", "2 3"];

interface Scale {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  readonly place: (value: number) => number;
}

/** @throws RangeError where there is no point */
export function linePlotSvg(plot: LinePlot): string {
  const points = plot.series.flatMap((series) => series.points);
  if (points.length === 0) throw new RangeError("plot: no points");
  const axisRoom = AXIS_ROOM + (plot.categories === undefined ? 0 : CATEGORY_ROOM);
  const bottom = TOP + PLOT_HEIGHT;
  const legendTop = bottom + axisRoom;
  const height = legendTop + LEGEND_ROW * Math.ceil(plot.series.length / LEGEND_COLUMNS) + 8;
  const x = plot.categories
    ? categoryScale(plot.categories.length)
    : scaleOf(
        points.map((point) => point.x),
        LEFT,
        WIDTH - RIGHT,
      );
  const y = scaleOf(
    points.flatMap(({ y: value, error = 0 }) => [value - error, value + error]),
    bottom,
    TOP,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(plot.title)}</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(LEFT, 24, plot.title, `class="title"`),
    ...axes(plot, x, y, bottom),
    ...plot.series.flatMap((series, i) => drawn(series, i, x, y, plot.categories === undefined)),
    ...plot.series.map((series, i) => legendEntry(series.name, i, legendTop)),
    "</svg>",
    "",
  ].join("\n");
}

const STYLE = `<style>
text { font: 12px system-ui, sans-serif; fill: #222 }
.title { font-size: 14px; font-weight: 600 }
.page { fill: #fff }
.grid { stroke: #ddd }
.axis { stroke: #555 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .page { fill: #16181d } .grid { stroke: #333842 } .axis { stroke: #999 }
}
</style>`;

function scaleOf(values: readonly number[], start: number, end: number): Scale {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const step = niceStep((most - least || Math.abs(most) || 1) / TICKS);
  const from = step * Math.floor(least / step);
  const to = Math.max(from + step, step * Math.ceil(most / step));
  const count = Math.round((to - from) / step);
  return {
    from,
    to,
    ticks: Array.from({ length: count + 1 }, (_, i) => from + i * step),
    place: (value) => start + ((value - from) / (to - from)) * (end - start),
  };
}

function categoryScale(count: number): Scale {
  const room = (WIDTH - RIGHT - LEFT) / count;
  return {
    from: 0,
    to: count - 1,
    ticks: Array.from({ length: count }, (_, i) => i),
    place: (value) => LEFT + room * (value + 0.5),
  };
}

/** 1, 2 or 5 times a power of ten, not below the step. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * (NICE.find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}
const NICE = [1, 2, 5, 10] as const;

function axes(plot: LinePlot, x: Scale, y: Scale, bottom: number): string[] {
  const right = WIDTH - RIGHT;
  const middle = (LEFT + right) / 2;
  const nameAt = bottom + AXIS_ROOM - 12 + (plot.categories === undefined ? 0 : CATEGORY_ROOM);
  return [
    ...y.ticks.flatMap((tick) => [
      line("grid", LEFT, y.place(tick), right, y.place(tick)),
      text(LEFT - 8, y.place(tick) + 4, short(tick), `text-anchor="end"`),
    ]),
    line("axis", LEFT, bottom, right, bottom),
    line("axis", LEFT, TOP, LEFT, bottom),
    ...x.ticks.flatMap((tick) => {
      const at = x.place(tick);
      const mark = line("axis", at, bottom, at, bottom + 4);
      const name = plot.categories?.[tick];
      if (name === undefined) return [mark, text(at, bottom + 18, short(tick), CENTRED)];
      const slanted = `text-anchor="end" transform="rotate(-35 ${fixed(at)} ${bottom + 16})"`;
      return [mark, text(at, bottom + 16, name, slanted)];
    }),
    text(middle, nameAt, plot.xLabel, CENTRED),
    text(
      16,
      (TOP + bottom) / 2,
      plot.yLabel,
      `${CENTRED} transform="rotate(-90 16 ${(TOP + bottom) / 2})"`,
    ),
  ];
}

const CENTRED = `text-anchor="middle"`;

function drawn(series: PlotSeries, index: number, x: Scale, y: Scale, joined: boolean): string[] {
  const colour = COLOURS[index % COLOURS.length]!;
  const dash = DASHES[index % DASHES.length]!;
  // Series side by side, so that their bars do not cover one another.
  const aside = joined ? 0 : 7 * (index - 2);
  const places = series.points.map(({ x: at, y: value, error = 0 }) => ({
    at: x.place(at) + aside,
    value: y.place(value),
    top: y.place(value + error),
    bottom: y.place(value - error),
    error,
  }));
  const path = places.map(({ at, value }) => `${fixed(at)},${fixed(value)}`).join(" ");
  return [
    ...(joined
      ? [
          `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`,
        ]
      : []),
    ...places
      .filter(({ error }) => error > 0)
      .map(({ at, top, bottom }) => errorBar(at, top, bottom, colour)),
    ...places.map(({ at, value }) => mark(index, at, value, colour)),
  ];
}

function errorBar(x: number, top: number, bottom: number, colour: string): string {
  const left = fixed(x - 3);
  const path = `M${fixed(x)} ${fixed(top)}V${fixed(bottom)}M${left} ${fixed(top)}h6M${left} ${fixed(bottom)}h6`;
  return `<path d="${path}" stroke="${colour}" fill="none"/>`;
}

/** Circle, square, triangle, diamond in turn. */
function mark(index: number, x: number, y: number, colour: string): string {
  const [a, b] = [fixed(x), fixed(y)];
  switch (index % 4) {
    case 0:
      return `<circle cx="${a}" cy="${b}" r="4" fill="${colour}"/>`;
    case 1:
      return `<path d="M${a} ${b}m-4 -4h8v8h-8z" fill="${colour}"/>`;
    case 2:
      return `<path d="M${a} ${b}m0 -5l5 9h-10z" fill="${colour}"/>`;
    default:
      return `<path d="M${a} ${b}m0 -5l5 5l-5 5l-5 -5z" fill="${colour}"/>`;
  }
}

function legendEntry(name: string, index: number, top: number): string {
  const colour = COLOURS[index % COLOURS.length]!;
  const x = LEFT + ((index % LEGEND_COLUMNS) * (WIDTH - LEFT - RIGHT)) / LEGEND_COLUMNS;
  const y = top + LEGEND_ROW * Math.floor(index / LEGEND_COLUMNS) + 6;
  const dash = DASHES[index % DASHES.length]!;
  return [
    `<path d="M${x} ${y}h28" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`,
    mark(index, x + 14, y, colour),
    text(x + 36, y + 4, name, ""),
  ].join("");
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<path class="${kind}" d="M${fixed(x1)} ${fixed(y1)}L${fixed(x2)} ${fixed(y2)}"/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped(content)}</text>`;
}

function fixed(value: number): string {
  return String(Math.round(10 * value) / 10);
}

/** Without the noise of sums of steps. */
function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
