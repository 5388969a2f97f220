// The page: every part from the data, every text as text.
"use strict";

const $ = (id) => document.getElementById(id);
const colour = (name) => `var(--${name})`;
const sideOf = (joint) => page.joints[joint].match(/^(right|left)_/)?.[1] ?? "middle";
const METHODS = ["three", "one", "two", "four"];
const paragraph = (text, className = "") => element("p", { textContent: text, className });
const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
const seconds = (s) => (s < 1 ? `${round(1000 * s, s < 0.01 ? 2 : 0)} ms` : s < 120 ? `${round(s)} s` : s < 7200 ? `${round(s / 60)} min` : `${round(s / 3600)} h`);
const figureOf = (record, ghost = false) => ({ moves: record.moves, betas: record.betas, joints3d: record.joints3d, ghost });
const readable = (name) => name.replaceAll("_", " ").replace(/\b(pa|mpjpe|mpve|pck|lsp14)\b/g, (short) => short.toUpperCase()).replace("PA ", "PA-");

function into(id, ...children) {
  $(id).append(...children.flat().filter(Boolean));
}

function head() {
  const { styles, kinds, judged } = page.outcomes;
  const totals = Object.fromEntries(kinds.map((kind) => [kind, sum(Object.values(styles).map((of) => of[kind]))]));
  const all = sum(Object.values(totals)), { dataset, judged: sketches, results, launches } = page;
  document.title = `${page.name}: skep report`;
  $("title").textContent = dataset?.title ?? page.name;
  const stale = page.stages.some((stage) => stage.units.stale);
  $("lead").textContent = !judged ? `This run has not come to its end: ${plural(all, "sample")} so far, nothing selected yet.${stale ? " Parts of it are stale and left out; the times below say why." : ""}`
    : `${plural(totals.kept, "drawing")} of people with their 3D poses, kept of ${count(all)} planned` +
      (dataset ? `, in ${plural(dataset.shards, "shard")}, ${round(dataset.bytes / 1e6)} MB.` : ".");
  const tiles = [...kinds.map((kind) => [kind, count(totals[kind]), share(totals[kind], all)])];
  if (judged) tiles.push(["train and val", `${count(page.outcomes.splits.train)} + ${count(page.outcomes.splits.val)}`, "drawings kept"]);
  if (launches.seconds) tiles.push(["time by the clock", seconds(launches.seconds), plural(launches.count, "launch", "launches")]);
  for (const method of Object.keys(results?.trust ?? {})) {
    const value = results.values[method]?.all?.pa_mpjpe;
    if (value?.value) tiles.push([`${method}, PA-MPJPE`, `${round(value.value, 0)} mm`, `95 %: ${round(value.low, 0)} to ${round(value.high, 0)}; ${count(sketches?.samples ?? 0)} drawings`]);
  }
  $("tiles").append(...tiles.map(([name, value, more]) => element("div", {}, [
    element("dt", { textContent: name }), element("dd", {}, [value, element("small", { textContent: more })])])));
  document.querySelector("nav").append(...[...document.querySelectorAll("main section")].map((part) => {
    part.setAttribute("aria-label", part.querySelector("h2").textContent);
    return element("a", { href: `#${part.id}`, textContent: NAMES[part.id] });
  }));
}
const NAMES = { outcome: "outcome", gallery: "drawings", round: "3D", losses: "thrown away", facts: "distributions", time: "time", accuracy: "accuracy", failures: "failures", recipe: "recipe" };

function outcome() {
  const { styles, kinds, judged } = page.outcomes;
  into("outcome",
    paragraph(judged ? `Nothing is left out: ${kinds.join(" + ")} = planned. Surplus is what was good but more than was asked for.`
      : "No sample is selected yet; these have passed every stage so far, or were lost on the way."),
    element("div", { className: "charts wide" }, stacked("samples by style", "", Object.entries(styles).map(([style, of]) => [style, kinds.map((kind) => of[kind])]),
      kinds.map((kind) => [kind, colour(kind)]))));
}

// The joints of a record over its picture.
function bones(record, className = "") {
  const at = (joint) => [record.joints[2 * joint], record.joints[2 * joint + 1]];
  const lines = page.edges.map(([a, b]) => shape("line", { x1: at(a)[0], y1: at(a)[1], x2: at(b)[0], y2: at(b)[1], class: sideOf(b), "stroke-width": 11, "stroke-opacity": 0.8 }));
  const spots = className ? [] : page.joints.map((_, i) => shape("circle", { cx: at(i)[0], cy: at(i)[1], r: 13, class: `${sideOf(i)} ${record.visibility?.[i] === 1 ? "" : "seen"}` }));
  return shape("svg", { viewBox: "0 0 1000 1000", class: `bones ${className}`, "aria-hidden": "true" }, [...lines, ...spots]);
}

function sketch(record, name) {
  if (!record.picture) return element("span", { className: "none", textContent: "no picture" });
  // WebP from the run, JPEG from the evaluation: browsers look at the bytes.
  return element("img", { src: `data:image/webp;base64,${record.picture}`, alt: name, loading: "lazy", decoding: "async" });
}

function card(record, caption, open, overlays = []) {
  const name = `${record.sample_id}: ${record.motion ?? record.style}`;
  const made = element("button", { type: "button", className: "card", title: name }, element("figure", {}, [sketch(record, name), ...overlays]));
  made.append(element("figcaption", {}, caption));
  made.addEventListener("click", open);
  return made;
}

// Cards of samples whose joints can be shown and hidden; a click opens them one after the other.
function strip(records) {
  const made = element("div", { className: records.length > 3 ? "strip" : "strip few" });
  made.append(...records.map((record, i) => card(record, [record.sample_id], () => viewer.open(records.map(ofRun), i))));
  return made;
}

function showJoints(place, records, on) {
  for (const [i, figure] of [...place.querySelectorAll("figure")].entries()) {
    figure.querySelector("svg")?.remove();
    if (on && records[i].joints) figure.append(bones(records[i]));
  }
}

function gallery() {
  const groups = Object.entries(page.gallery).map(([style, ids]) => [style, ids.map((id) => page.samples[id])]);
  if (!groups.length) return into("gallery", paragraph("No drawings to show: none has come through, or the run's tables were cleaned away."));
  const { styles, kinds } = page.outcomes, places = [];
  const joints = element("input", { type: "checkbox", id: "joints" });
  joints.addEventListener("change", () => places.forEach(([place, records]) => showJoints(place, records, joints.checked)));
  into("gallery", paragraph("Some of each style, chosen by their ids alone. A click opens a drawing beside its figure in 3D."),
    element("div", { className: "tools" }, element("label", {}, [joints, " joints: right orange, left blue, hidden ones hollow"])));
  for (const [style, records] of groups) {
    const place = strip(records);
    places.push([place, records]);
    into("gallery", element("h3", {}, `${style}: ${records.length} of ${count(styles[style][kinds[0]])} ${kinds[0]}`), place);
  }
}

function turnBox() {
  const box = element("input", { type: "checkbox", className: "turning", checked: turning.on });
  box.addEventListener("change", () => setTurning(box.checked));
  return element("label", {}, [box, " turn by themselves"]);
}

function round3d() {
  const firsts = Object.values(page.gallery).map((ids) => ids.map((id) => page.samples[id]).find((record) => record.moves)).filter(Boolean);
  if (!firsts.length) return into("round", paragraph("No poses to show yet."));
  const cards = firsts.map((record) => {
    const canvas = element("canvas", { className: "view" });
    new View(canvas, record.sample_id).show([figureOf(record)]);
    const picture = element("div", { className: "sketch" }, [sketch(record, record.sample_id), ...(record.joints ? [bones(record)] : [])]);
    return element("div", { className: "part" }, [element("div", { className: "pair" }, [picture, canvas]),
      paragraph([record.style, record.proportions, record.motion].filter(Boolean).join(" · "), "small")]);
  });
  into("round", paragraph("One of each style: the drawing, and the body that it was drawn from in its drawn proportions. Drag to turn; right limbs are orange, left ones blue." +
      (page.own_body ? " The run has a body file of its own; the bundled body stands for it here." : "") + (easel ? "" : " This browser has no WebGL: limbs stand for the body.")),
    element("div", { className: "tools" }, turnBox()), element("div", { className: "rounds" }, cards));
}

function losses() {
  if (!page.losses.length) return into("losses", paragraph("Nothing was thrown away."));
  const all = sum(page.losses.map((group) => group.samples)), most = page.losses[0].samples;
  into("losses", paragraph(`${plural(all, "sample")}, by who threw them away and why, with some of each. What has no drawing yet is shown as its stage draws it.`),
    page.losses.map((group) => {
      const records = group.shown.map((id) => page.samples[id]), where = group.stage || "select";
      const by = Object.entries(group.styles).map(([style, n]) => `${style} ${count(n)}`).join(", ");
      const bar = element("i", {});
      bar.style.width = `${(100 * group.samples) / most}%`;
      bar.style.background = colour(group.outcome);
      return element("div", { className: "reason" }, [
        element("h3", {}, [`${where}: ${group.reason || "more than were asked for"}`, element("small", { textContent: `${group.outcome} ${count(group.samples)} (${by})` })]),
        element("div", { className: "bar", "aria-hidden": "true" }, bar),
        ...(records.some((record) => record.moves) ? [strip(records)] : records.slice(0, 3).map((record) => paragraph(`${record.sample_id}: ${record.reason}`, "small")))]);
    }));
}

function facts() {
  if (!page.facts.length) return into("facts", paragraph("No stage has made anything yet that could be counted."));
  const names = [page.outcomes.kinds[0], "thrown away"], colours = [colour("kept"), colour("rejected")];
  into("facts", paragraph(`Shares of the samples that were ${names[0]} (bars), and of those thrown away by any stage that came after (line or diamond).`),
    keys([[names[0], colours[0], "bar"], [names[1], colours[1], "line"]]));
  const kinds = { numbers: histogram, words, places };
  for (const stage of new Set(page.facts.map((fact) => fact.stage)))
    into("facts", element("h3", { textContent: stage }), element("div", { className: "charts" },
      page.facts.filter((fact) => fact.stage === stage).map((fact) => kinds[fact.kind](fact, names, colours))));
}

function time() {
  const worked = page.stages.filter((stage) => stage.seconds), total = sum(worked.map((stage) => stage.seconds));
  const open = page.stages.flatMap((stage) => Object.entries(stage.why).map(([why, units]) => `${stage.name}: ${plural(units, "unit")} to redo: ${why}`));
  const rows = page.stages.map((s) => [s.name, `${count(s.units.done ?? 0)} of ${count(sum(Object.values(s.units)))}`, s.rows, seconds(s.seconds),
    s.rows ? seconds(s.seconds / s.rows) : "–", s.seconds ? count(round(s.rows / s.seconds, 1)) : "–", s.rejected, s.failed]);
  into("time", page.launches.count ? paragraph(`${plural(page.launches.count, "launch", "launches")}, ${seconds(page.launches.seconds)} by the clock, ${seconds(total)} of work by all workers together; what was made twice counts twice.`)
      : paragraph("This folder has no event log, so no times are known."),
    table([["stage", "units done", "rows given", "work", "a row", "rows a second and worker", "rejected", "failed"], ...rows]), open.map((line) => paragraph(line, "small")));
  if (worked.length) into("time", element("div", { className: "charts wide" }, [
    bars("work by stage", "seconds of one worker", worked.map((s) => [s.name, s.seconds, `${seconds(s.seconds)}, ${share(s.seconds, total)}`]), colour("kept"), ["stage", "work"]),
    lines("progress", "samples that each stage was given; launches end to end", page.stages.filter((s) => s.curve.length > 1).map((s, i) => [s.name, colour(METHODS[(i + 1) % 4]), s.curve]), "seconds", "samples")]));
}

const digits = (unit) => (["mm", "degrees", "a sketch"].includes(unit) ? 1 : 3);
const short = (value, unit) => `${round(value, digits(unit) - 1)} ${["mm", "degrees"].includes(unit) ? unit : ""}`;
const told = (value, unit) => (value?.value == null ? null : ["value", "low", "high"].map((key) => round(value[key], digits(unit))));

function accuracy() {
  const { results } = page;
  if (!results) return into("accuracy", paragraph("No model was evaluated; `skep train` and `skep evaluate` come before this."));
  const methods = Object.keys(results.values), hues = methods.map((name, i) => [name, colour(METHODS[i % 4])]);
  const samples = results.values[methods[0]].all.samples.value;
  const cell = (value, unit) => {
    const numbers = told(value, unit);
    return numbers ? element("span", {}, [String(numbers[0]), element("small", { textContent: ` (${numbers[1]} to ${numbers[2]})` })]) : "–";
  };
  into("accuracy", paragraph(`${plural(samples, "held-out drawing")}; in brackets 95 % bootstrap intervals. Arrows say which end is good.`),
    table([["metric", ...methods], ...results.metrics.map(({ name, unit, best, doc }) => {
      const row = [`${readable(name)}, ${unit} ${best === "high" ? "↑" : "↓"}`, ...methods.map((method) => cell(results.values[method].all[name], unit))];
      return row.map((value, i) => (i ? value : element("span", { title: doc, textContent: value })));
    })]));
  const select = element("select", { id: "metric" }, results.metrics.filter(({ name }) => name !== "ms").map(({ name, unit }) => new Option(`${readable(name)} (${unit})`, name)));
  select.value = "pa_mpjpe";
  const place = element("div", { className: "charts wide" });
  const draw = () => {
    const { name, unit, doc } = results.metrics.find((metric) => metric.name === select.value);
    const groups = Object.keys(results.values[methods[0]]).map((style) => [style, methods.map((method) => told(results.values[method][style]?.[name], unit))]);
    place.replaceChildren(intervals(`${readable(name)} by style`, doc, groups, hues, unit), ...fixed);
  };
  const fixed = [
    ...(page.judged ? [errors("how errors are spread", "PA-MPJPE of each drawing", page.judged.bounds, methods.map((m, i) => [m, hues[i][1], page.judged.errors[m]]), "mm")] : []),
    ...Object.entries(results.trust).map(([method, trust]) => reliability(`confidence of ${method}`,
      `on the dashed line it means what it says; off by ${round(100 * trust.expected_calibration_error)} % on average`, trust.bins, hues[methods.indexOf(method)]?.[1] ?? colour("one")))];
  select.addEventListener("change", draw);
  draw();
  into("accuracy", element("div", { className: "tools" }, element("label", {}, ["by style: ", select])), place);
  if (Object.keys(results.paired).length) into("accuracy", element("h3", { textContent: "Differences on the same drawings" }), paired(results));
}

// Differences whose interval leaves out nothing are better or worse for certain.
function paired({ paired: pairs, metrics }) {
  const verdict = (value, best) => (value.low > 0 === value.high > 0 ? (value.value > 0) === (best === "high") ? "good" : "bad" : "");
  return table([["metric", ...Object.keys(pairs)], ...metrics.filter(({ name }) => name !== "ms").map(({ name, unit, best }) => [`${readable(name)}, ${unit}`, ...Object.values(pairs).map((styles) => {
    const value = styles.all?.[name], numbers = told(value, unit);
    if (!numbers) return "–";
    const word = verdict(value, best), text = { good: " better", bad: " worse", "": " unclear" }[word];
    return element("span", {}, [String(numbers[0]), element("small", { textContent: ` (${numbers[1]} to ${numbers[2]})` }), element("span", { className: word, textContent: text })]);
  })])]);
}

function failures() {
  const { judged, results } = page;
  const methods = Object.keys(judged?.worst ?? {});
  if (!methods.length) return into("failures", paragraph(results ? "What was said of each drawing is not known; `skep evaluate` writes it." : "No model was evaluated, so nothing is known of its failures."));
  const choice = (id, options) => element("select", { id }, options.map(([text, value]) => new Option(text, value)));
  const styles = [...new Set(methods.flatMap((method) => judged.worst[method].map((record) => record.style)))].sort();
  const method = choice("failure-method", methods.map((name) => [name, name]));
  const style = choice("failure-style", [["all styles", ""], ...styles.map((name) => [name, name])]);
  const order = choice("failure-order", results.metrics.filter(({ name }) => name !== "ms").map(({ name }) => [readable(name), name]));
  order.value = judged.error;
  const place = element("div", { className: "strip large", id: "failure-cards" }), said = element("output", { id: "failure-count" });
  const show = () => {
    const { unit, best } = results.metrics.find(({ name }) => name === order.value), sign = best === "high" ? 1 : -1;
    const of = (record) => record.scores[order.value];
    const shown = judged.worst[method.value].filter((record) => !style.value || record.style === style.value)
      .sort((a, b) => (of(a) === null) - (of(b) === null) || sign * (of(a) - of(b)) || (a.sample_id < b.sample_id ? -1 : 1));
    const pairs = shown.map((record) => ofModel(record, judged.truth[record.sample_id], method.value));
    place.replaceChildren(...shown.map((record, i) => card({ ...record, picture: judged.truth[record.sample_id].picture },
      [element("b", { textContent: of(record) === null ? "–" : short(of(record), unit) }), ` ${record.sample_id}`],
      () => viewer.open(pairs, i), [bones(judged.truth[record.sample_id], "true"), bones(record)])));
    said.textContent = `${plural(shown.length, "drawing")}`;
  };
  for (const select of [method, style, order]) select.addEventListener("change", show);
  into("failures", paragraph(`Of each model the drawings with the greatest error after alignment (PA-MPJPE), worst first. Joints as it found them in colour, where they are dashed. A click shows both bodies, the true one in grey.`),
    element("div", { className: "tools" }, [element("label", {}, ["model ", method]), element("label", {}, ["style ", style]), element("label", {}, ["worst first by ", order]), said]), place);
  show();
}

// What the viewer shows of a sample of the run: title, picture, overlays, figures, legend, facts.
function ofRun(record) {
  const why = [record.stage, record.reason].filter(Boolean).join(": ");
  const facts = { style: record.style, split: record.split, outcome: record.outcome, why: record.outcome === "kept" ? "" : why, motion: record.motion, appearance: record.appearance,
    proportions: record.proportions, source: record.source_id, scores: Object.entries(record.scores ?? {}).map(([name, value]) => `${name} ${value}`).join(", ") };
  return { title: record.sample_id, record, overlays: record.joints ? [bones(record)] : [], figures: record.moves ? [figureOf(record)] : [], facts,
    legend: record.joints ? "right orange, left blue; hollow joints are hidden" : record.picture ? "there is no drawing of it: the stage that rejected it drew this" : "" };
}

function ofModel(record, truth, method) {
  const facts = { model: method, style: record.style, ...Object.fromEntries(page.results.metrics.filter(({ name }) => name !== "ms" && record.scores[name] !== null)
    .map(({ name, unit }) => [readable(name), `${round(record.scores[name], digits(unit))} ${unit}`])) };
  return { title: record.sample_id, record: truth, overlays: [bones(truth, "true"), bones(record)], figures: [figureOf(truth, true), figureOf(record)],
    legend: "in colour: what the model says, right orange, left blue; dashed and grey: the truth", facts };
}

const viewer = {
  open(items, at) {
    this.view ??= new View($("viewer").querySelector("canvas"), "this figure");
    Object.assign(this, { items, at });
    this.show();
    $("viewer").showModal();
  },
  go(step) {
    this.at = (this.at + step + this.items.length) % this.items.length;
    this.show();
  },
  show() {
    const { title, record, overlays, figures, legend, facts } = this.items[this.at];
    $("viewer-title").textContent = title;
    $("viewer").querySelector(".sketch").replaceChildren(sketch(record, title), ...overlays);
    $("viewer").querySelector("canvas").hidden = !figures.length;
    $("viewer-legend").textContent = legend;
    $("viewer-facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value)
      .flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
    this.view.show(figures);
  },
};
$("previous").addEventListener("click", () => viewer.go(-1));
$("next").addEventListener("click", () => viewer.go(1));
$("viewer").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") viewer.go(event.key === "ArrowLeft" ? -1 : 1);
});

function recipe() {
  const rows = Object.entries(page.recipe).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  const licence = page.dataset ? ` Licence of the dataset: ${page.dataset.licence}.` : "";
  into("recipe", paragraph(`Seed ${page.seed}. Every field that decided the data; of paths the last name.${licence}`),
    element("details", {}, [element("summary", { textContent: plural(rows.length, "field") }), table([["field", "value"], ...rows], true)]));
}

for (const part of [head, outcome, gallery, round3d, losses, facts, time, accuracy, failures, recipe]) part();
