// Charts as SVG, drawn at the width they are given, each with its numbers in a table below.
"use strict";

function element(tag, more = {}, children = []) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(more))
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  made.append(...[children].flat());
  return made;
}

function shape(tag, more = {}, children = []) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(more)) made.setAttribute(key, value);
  made.append(...[children].flat());
  return made;
}

const round = (value, digits = 1) => Number(value.toFixed(digits));
const count = (value) => value.toLocaleString("en-US");
const share = (part, all) => `${round((100 * part) / Math.max(all, 1))} %`;
const sum = (values) => values.reduce((a, b) => a + b, 0);
const label = (x, y, text, more = {}) => shape("text", { x, y, ...more }, text);

// About `most` round numbers from low to high.
function ticks(low, high, most = 5) {
  const rough = (high - low || 1) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-6; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

// A figure whose picture is drawn anew whenever its width changes. rows: of the table, the first its head.
function chart(title, about, draw, rows, legend = []) {
  const place = element("div");
  const made = element("figure", { className: "chart" }, [
    element("figcaption", {}, [title, element("small", { textContent: about })]),
    ...(legend.length ? [keys(legend)] : []), place,
    element("details", {}, [element("summary", { textContent: "numbers" }), table(rows)]),
  ]);
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (!now || now === width) return;
    width = now;
    const picture = draw(width);
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${title}; the numbers are in the table below`);
    place.replaceChildren(picture);
  }).observe(place);
  return made;
}

function canvas(width, height, children) {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, height }, children.flat(Infinity).filter(Boolean));
}

// Cells are text, numbers or elements; those of `text` stand to the left.
function table(rows, text = false) {
  const [head, ...body] = rows;
  const cell = (value, index) =>
    index ? element("td", { className: text ? "text" : "" }, value instanceof Node ? value : String(value)) : element("th", { scope: "row" }, value);
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `table: ${head.join(", ")}` }, element("table", {}, [
    element("thead", {}, element("tr", {}, head.map((text) => element("th", { scope: "col", textContent: text })))),
    element("tbody", {}, body.map((row) => element("tr", {}, row.map(cell)))),
  ]));
}

// entries: [name, colour, kind of mark, dashes of a line].
function keys(entries) {
  return element("ul", { className: "legend" }, entries.map(([name, colour, kind, dashes = ""]) =>
    element("li", {}, [shape("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" }, mark(kind, 11, 6, colour, dashes)), name])));
}

const MARKS = ["circle", "square", "diamond", "triangle"], DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 5", "4 2"];
// Of the methods, whose four colours come again: the fifth has another mark and dash than the first.
const markOf = (k) => MARKS[(k + Math.floor(k / 4)) % 4], dashOf = (k) => DASHES[Math.floor(k / 4) % 6];
function mark(kind, x, y, colour, dashes) {
  if (kind === "circle") return shape("circle", { cx: x, cy: y, r: 4.5, fill: colour });
  if (kind === "square") return shape("rect", { x: x - 4, y: y - 4, width: 8, height: 8, fill: colour });
  if (kind === "diamond") return shape("path", { d: `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5-5.5z`, fill: colour });
  if (kind === "triangle") return shape("path", { d: `M${x} ${y - 5}l5.5 9.5h-11z`, fill: colour });
  if (kind === "line") return shape("path", { d: `M${x - 11} ${y}h22`, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dashes });
  return shape("rect", { x: x - 9, y: y - 5, width: 18, height: 10, fill: colour, rx: 2 });
}

// Axes of a plot with room for their labels; x and y turn values into pixels.
function plane(width, height, [left, right], [bottom, top], unit, side = "", format = String) {
  const margin = { left: 46, right: 12, top: side ? 20 : 10, bottom: 38 };
  const x = (value) => margin.left + ((value - left) / (right - left || 1)) * (width - margin.left - margin.right);
  const y = (value) => height - margin.bottom - ((value - bottom) / (top - bottom || 1)) * (height - margin.top - margin.bottom);
  const parts = [
    ticks(bottom, top, 4).map((v) => [
      shape("line", { class: "rule", x1: x(left), x2: x(right), y1: y(v), y2: y(v) }),
      label(margin.left - 6, y(v) + 4, format(v), { "text-anchor": "end" })]),
    shape("line", { class: "axis", x1: x(left), x2: x(right), y1: y(bottom), y2: y(bottom) }),
    ticks(left, right, Math.max(3, Math.floor(width / 56))).map((v) => [
      shape("line", { class: "axis", x1: x(v), x2: x(v), y1: y(bottom), y2: y(bottom) + 4 }),
      label(x(v), y(bottom) + 17, String(v), { "text-anchor": "middle" })]),
    label(x((left + right) / 2), height - 4, unit, { "text-anchor": "middle" }),
    side ? label(4, 11, side) : null,
  ];
  return { x, y, parts };
}

// Shares of two groups in bins: the first as bars, the second as a line.
function histogram(fact, names, colours) {
  const [kept, lost] = [fact.kept, fact.lost].map((counts) => counts.map((n) => (100 * n) / Math.max(1, sum(counts))));
  const [low, high] = fact.bounds, step = (high - low) / kept.length, top = Math.max(...kept, ...lost, 1);
  const edge = (i) => round(low + i * step, 2);
  const draw = (width) => {
    const { x, y, parts } = plane(width, 190, [low, high], [0, top], fact.unit, "", (v) => `${v} %`);
    const bars = kept.map((v, i) => shape("rect", {
      x: x(low + i * step) + 0.5, y: y(v), width: Math.max(1, x(low + step) - x(low) - 1), height: y(0) - y(v), fill: colours[0],
    }, shape("title", {}, `${edge(i)} to ${edge(i + 1)} ${fact.unit}: ${count(fact.kept[i])} ${names[0]}, ${count(fact.lost[i])} ${names[1]}`)));
    const line = lost.map((v, i) => `${i ? "L" : "M"}${x(low + i * step)} ${y(v)}H${x(low + (i + 1) * step)}`).join("");
    return canvas(width, 190, [parts, bars, sum(fact.lost) ? shape("path", { d: line, fill: "none", stroke: colours[1], "stroke-width": 2 }) : null]);
  };
  const rows = kept.map((_, i) => [`${edge(i)} to ${edge(i + 1)}`, fact.kept[i], fact.lost[i]]);
  return chart(fact.name, fact.about, draw, [[fact.unit || "value", ...names], ...rows]);
}

// The same of words: a bar each, and a diamond for the second group.
function words(fact, names, colours) {
  const shown = fact.words.map((word, i) => [word, fact.kept[i], fact.lost[i]]).filter(([, kept, lost]) => kept + lost);
  const all = [1, 2].map((k) => Math.max(1, sum(shown.map((row) => row[k]))));
  const top = Math.max(...shown.flatMap((row) => [row[1] / all[0], row[2] / all[1]]), 0.01);
  const draw = (width) => {
    const left = Math.min(170, width * 0.44), reach = width - left - 50, x = (part) => left + (part / top) * reach;
    return canvas(width, shown.length * 22 + 4, shown.map(([word, kept, lost], i) => [
      label(left - 8, i * 22 + 16, clip(word, left / 6.6), { "text-anchor": "end", class: "strong" }),
      shape("rect", { x: left, y: i * 22 + 4, width: Math.max(1, x(kept / all[0]) - left), height: 15, fill: colours[0], rx: 2 }),
      lost ? mark("diamond", x(lost / all[1]), i * 22 + 11.5, colours[1]) : null,
      label(Math.max(x(kept / all[0]), lost ? x(lost / all[1]) + 6 : 0) + 5, i * 22 + 16, share(kept, all[0])),
    ]));
  };
  return chart(fact.name, fact.about, draw, [["", ...names], ...shown]);
}

const clip = (text, most) => (text.length > most ? `${text.slice(0, Math.floor(most) - 1)}…` : text);

// Counts in the cells of the picture: the darker, the more.
function places(fact, names, colours) {
  const side = Math.round(Math.sqrt(fact.kept.length)), top = Math.max(...fact.kept, 1);
  const draw = (width) => {
    const size = Math.min(width, 240), cell = size / side, left = (width - size) / 2;
    const cells = fact.kept.map((n, i) => n && shape("rect", {
      x: left + (i % side) * cell, y: Math.floor(i / side) * cell, width: cell + 0.3, height: cell + 0.3, fill: colours[0],
      "fill-opacity": round(Math.sqrt(n / top), 3),
    }));
    const frame = shape("rect", { x: left, y: 0, width: size, height: size, fill: "none", class: "axis" });
    return canvas(width, size + 20, [cells, frame, label(width / 2, size + 16, `${count(sum(fact.kept))} joints inside the frame`, { "text-anchor": "middle" })]);
  };
  const heads = Array.from({ length: 4 }, (_, i) => `${25 * i}–${25 * (i + 1)} %`);
  const quarter = (i) => Math.floor((4 * i) / side);
  const quarters = heads.map((_, row) => heads.map((_, column) => sum(fact.kept.filter((_, i) =>
    quarter(Math.floor(i / side)) === row && quarter(i % side) === column))));
  return chart(fact.name, `${fact.about}; ${names[0]} alone`, draw, [["from the top, from the left", ...heads], ...heads.map((head, i) => [head, ...quarters[i]])]);
}

// rows: [name, [counts by series]]; bars of parts of the whole beside each other.
function stacked(title, about, rows, series) {
  const draw = (width) => {
    const left = 78, right = 52, top = Math.max(...rows.map(([, parts]) => sum(parts)), 1), reach = width - left - right;
    return canvas(width, rows.length * 30 + 4, rows.map(([name, parts], i) => {
      let from = left;
      const bars = parts.map((n, k) => {
        const long = (n / top) * reach, x = from;
        from += long;
        return n && [shape("rect", { x, y: i * 30 + 5, width: Math.max(long - 1, 1), height: 21, fill: series[k][1] }, shape("title", {}, `${name}: ${count(n)} ${series[k][0]}`)),
          long > 9 * String(n).length + 6 && label(x + 5, i * 30 + 20, count(n), { class: `inside ${series[k][0]}` })];
      });
      return [label(left - 8, i * 30 + 20, name, { "text-anchor": "end", class: "strong" }), bars, label(from + 6, i * 30 + 20, count(sum(parts)))];
    }));
  };
  return chart(title, about, draw, [["style", ...series.map(([name]) => name), "all"], ...rows.map(([name, parts]) => [name, ...parts, sum(parts)])],
    series.map(([name, colour]) => [name, colour, "bar"]));
}

// rows: [name, value, text].
function bars(title, about, rows, colour, head) {
  const draw = (width) => {
    const left = 84, top = Math.max(...rows.map(([, value]) => value), 1e-9), reach = width - left - 110;
    return canvas(width, rows.length * 26 + 4, rows.map(([name, value, text], i) => [
      label(left - 8, i * 26 + 18, name, { "text-anchor": "end", class: "strong" }),
      shape("rect", { x: left, y: i * 26 + 5, width: Math.max(1, (value / top) * reach), height: 17, fill: colour, rx: 2 }),
      label(left + (value / top) * reach + 6, i * 26 + 18, text),
    ]));
  };
  return chart(title, about, draw, [head, ...rows.map(([name, , text]) => [name, text])]);
}

// series: [name, colour, points [x, y]].
function lines(title, about, series, unit, side) {
  const points = series.flatMap(([, , some]) => some);
  const far = Math.max(...points.map((p) => p[0]), 1e-9), top = Math.max(...points.map((p) => p[1]), 1);
  const draw = (width) => {
    const { x, y, parts } = plane(width, 240, [0, far], [0, top], unit, side, count);
    return canvas(width, 240, [parts, series.map(([name, colour, some], k) => shape("path", {
      d: some.map(([a, b], i) => `${i ? "L" : "M"}${x(a)} ${y(b)}`).join(""), fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": DASHES[k % 6],
    }, shape("title", {}, name)))]);
  };
  return chart(title, about, draw, [["", unit, side], ...series.map(([name, , some]) => [name, ...some.at(-1)])],
    series.map(([name, colour], k) => [name, colour, "line", DASHES[k % 6]]));
}

// groups: [name, [value, low, high] or null by method]; methods: [name, colour].
function intervals(title, about, groups, methods, unit) {
  const seen = groups.flatMap(([, values]) => values.flat()).filter((v) => v !== null);
  const [low, high] = [Math.min(0, ...seen), Math.max(...seen, 1e-9)];
  const band = methods.length * 13 + 14, height = groups.length * band + 44;
  const draw = (width) => {
    const left = 78, x = (v) => left + ((v - low) / (high - low)) * (width - left - 16);
    return canvas(width, height, [
      ticks(low, high, Math.max(3, Math.floor(width / 90))).map((v) => [
        shape("line", { class: "rule", x1: x(v), x2: x(v), y1: 0, y2: height - 40 }), label(x(v), height - 24, String(v), { "text-anchor": "middle" })]),
      label((left + width) / 2, height - 6, unit, { "text-anchor": "middle" }),
      groups.map(([name, values], i) => [
        label(left - 8, i * band + band / 2 + 4, name, { "text-anchor": "end", class: "strong" }),
        values.map((value, k) => {
          if (!value || value[0] === null) return null;
          const y = i * band + 14 + k * 13;
          return [shape("path", { d: `M${x(value[1])} ${y}H${x(value[2])}`, stroke: methods[k][1], "stroke-width": 3, "stroke-opacity": 0.5 }),
            mark(markOf(k), x(value[0]), y, methods[k][1])];
        })])]);
  };
  const told = (value) => (value && value[0] !== null ? `${value[0]} (${value[1]} to ${value[2]})` : "–");
  return chart(title, about, draw, [["style", ...methods.map(([name]) => name)], ...groups.map(([name, values]) => [name, ...values.map(told)])],
    methods.map(([name, colour], k) => [name, colour, markOf(k)]));
}

// Share found over confidence; circles on the diagonal mean what they say.
function reliability(title, about, bins, colour) {
  const most = Math.max(...bins.map((b) => b.joints), 1);
  const draw = (width) => {
    const { x, y, parts } = plane(width, 280, [0, 1], [0, 1], "confidence", "share of joints found");
    return canvas(width, 280, [parts, shape("path", { d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}`, class: "axis", "stroke-dasharray": "4 4" }),
      bins.map((b) => shape("circle", { cx: x(b.confidence), cy: y(b.found), r: 3 + 10 * Math.sqrt(b.joints / most), fill: colour, "fill-opacity": 0.75 },
        shape("title", {}, `${count(b.joints)} joints`)))]);
  };
  return chart(title, about, draw, [["confidence", "found", "joints"], ...bins.map((b) => [b.confidence, b.found, b.joints])]);
}

// How many samples in each bin, a line a method.
function errors(title, about, bounds, methods, unit) {
  const long = methods[0][2].length, step = (bounds[1] - bounds[0]) / long, top = Math.max(...methods.flatMap((m) => m[2]), 1);
  const edge = (i) => round(bounds[0] + i * step, 1);
  const draw = (width) => {
    const { x, y, parts } = plane(width, 280, bounds, [0, top], unit, "samples");
    return canvas(width, 280, [parts, methods.map(([, colour, counts], k) => shape("path", {
      d: counts.map((n, i) => `${i ? "L" : "M"}${x(edge(i))} ${y(n)}H${x(edge(i + 1))}`).join(""), fill: "none", stroke: colour, "stroke-width": 2,
      "stroke-dasharray": dashOf(k),
    }))]);
  };
  return chart(title, about, draw, [[unit, ...methods.map(([name]) => name)], ...methods[0][2].map((_, i) => [`${edge(i)} to ${edge(i + 1)}`, ...methods.map((m) => m[2][i])])],
    methods.map(([name, colour], k) => [name, colour, "line", dashOf(k)]));
}
