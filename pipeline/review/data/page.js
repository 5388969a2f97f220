// The review page: a contact sheet, a single view with the joints over it, and a key for everything.
"use strict";

const PAGE = Number(new URLSearchParams(location.search).get("page")) || 60;
// Bones and sides in the order of manifests/skeleton.py.
const EDGES = [[0, 1], [1, 2], [2, 3], [3, 4], [1, 5], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10], [10, 15], [1, 11], [11, 12], [12, 13], [13, 14]];
const RIGHT = new Set([2, 3, 4, 8, 9, 10, 15]), LEFT = new Set([5, 6, 7, 11, 12, 13, 14]);
const FILTERS = ["style", "state", "reason", "score", "low", "high"];

const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=skep-token]").content;
let rows = [], total = 0, offset = 0, decided = 0, here = 0, asked = 0;

async function ask(path, body) {
  const post = { method: "POST", headers: { "X-Skep-Token": token }, body: JSON.stringify(body) };
  const answer = await fetch(path, body ? post : {});
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// place: { after: id }, { before: id }, or of the first page nothing.
async function load(place = {}, atEnd = false) {
  const ticket = ++asked, query = new URLSearchParams({ ...place, limit: PAGE });
  for (const name of FILTERS) if ($(name).value) query.set(name, $(name).value);
  const page = await ask(`/samples?${query}`);
  if (ticket !== asked) return; // a later question has been asked meanwhile
  if (!page.rows.length && Object.keys(place).length) return; // what was there matches no more
  ({ rows, total, offset, decided } = page);
  count();
  here = atEnd ? Math.max(0, rows.length - 1) : 0;
  $("sheet").replaceChildren(...rows.map(cell));
  await look();
}

function count() {
  $("count").textContent = `${total ? offset + 1 : 0}–${offset + rows.length} of ${total} · ${decided} decided`;
}

function element(tag, more = {}, children = []) {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...children);
  return made;
}

function cell(row, index) {
  const picture = element("img", { src: `/picture/${row.sample_id}`, alt: "", loading: "lazy" });
  const score = $("score").value, value = score ? ` ${row.scores[score].toFixed(2)}` : "";
  const words = [row.sample_id + value, element("span", { className: "why", textContent: row.reason ? ` ${row.reason}` : "" })];
  const made = element("figure", { className: `cell ${row.decision}`, title: row.reason }, [picture, element("figcaption", {}, words)]);
  made.addEventListener("click", () => go(index - here));
  made.addEventListener("dblclick", toggle);
  return made;
}

async function look() {
  [...$("sheet").children].forEach((figure, i) => figure.classList.toggle("here", i === here));
  $("sheet").children[here]?.scrollIntoView({ block: "nearest" });
  if ($("single").hidden) return;
  const row = rows[here];
  if (!row) return toggle();
  $("single").className = row.decision;
  $("picture").src = `/picture/${row.sample_id}`;
  const labels = await ask(`/labels/${row.sample_id}`);
  await $("picture").decode().catch(() => {});
  if (row !== rows[here]) return;
  draw(labels);
  facts(row, labels);
}

function draw({ joints2d, visibility, bbox }) {
  const size = $("picture").naturalWidth || 256, thick = size / 130;
  const shape = (tag, set, name) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(set)) made.setAttribute(key, value);
    made.setAttribute("class", name);
    return made;
  };
  const side = (joint) => (RIGHT.has(joint) ? "right" : LEFT.has(joint) ? "left" : "middle");
  const bones = EDGES.map(([a, b]) =>
    shape("line", { x1: joints2d[a][0], y1: joints2d[a][1], x2: joints2d[b][0], y2: joints2d[b][1], "stroke-width": thick }, side(b)));
  const spots = joints2d.map(([cx, cy], i) => shape("circle", { cx, cy, r: thick * 1.3, "stroke-width": thick / 3 }, `seen${visibility[i]}`));
  const [x, y, right, below] = bbox;
  const frame = shape("rect", { x, y, width: right - x, height: below - y, fill: "none", stroke: "#999", "stroke-width": thick / 3 }, "");
  $("overlay").setAttribute("viewBox", `0 0 ${size} ${size}`);
  $("overlay").replaceChildren(frame, ...bones, ...spots);
}

function facts(row, labels) {
  const scores = Object.entries(row.scores).map(([name, value]) => `${name} ${value.toFixed(3)}`).join(" · ");
  const all = { sample: row.sample_id, decision: row.decision || "none", outcome: row.outcome, reason: row.reason || "none", scores };
  const entries = Object.entries({ ...all, motion: labels.motion, appearance: labels.appearance });
  $("facts").replaceChildren(...entries.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

async function go(step) {
  const next = here + step;
  if (next >= rows.length && offset + rows.length < total) return turnPage(1);
  if (next < 0 && offset > 0) return turnPage(-1, true);
  here = Math.max(0, Math.min(rows.length - 1, next));
  await look();
}

// By the samples at its ends, not by their number: a decision may take samples of this page out of the filter.
const turnPage = (way, atEnd) => load(way > 0 ? { after: rows.at(-1).sample_id } : { before: rows[0].sample_id }, atEnd);

function show(row) {
  decided = row.decided;
  count();
  const index = rows.findIndex((other) => other.sample_id === row.sample_id);
  if (index < 0) return;
  rows[index] = row;
  $("sheet").children[index].className = `cell ${row.decision}`;
  here = index;
}

async function decide(decision) {
  if (!rows[here]) return;
  show(await ask("/decide", { sample_id: rows[here].sample_id, decision }));
  $("message").textContent = "";
  await go(1);
}

async function undo() {
  const row = await ask("/undo", {});
  if (row.sample_id) show(row);
  $("message").textContent = row.sample_id ? `taken back: ${row.sample_id}` : "nothing to take back";
  await look();
}

async function toggle() {
  $("single").hidden = !$("single").hidden;
  $("sheet").hidden = !$("single").hidden;
  await look();
}

async function turn(name) {
  const select = $(name);
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  await load();
}

const row_length = () => getComputedStyle($("sheet")).gridTemplateColumns.split(" ").length;
const KEYS = {
  ArrowRight: () => go(1), ArrowLeft: () => go(-1),
  ArrowDown: () => go($("sheet").hidden ? 1 : row_length()), ArrowUp: () => go($("sheet").hidden ? -1 : -row_length()),
  k: () => decide("keep"), r: () => decide("reject"), u: undo, Enter: toggle, Escape: () => $("single").hidden || toggle(),
  j: () => $("overlay").classList.toggle("off"),
  n: () => offset + rows.length < total && turnPage(1), p: () => offset > 0 && turnPage(-1),
  s: () => turn("style"), o: () => turn("score"), f: () => turn("state"),
};

// One key after the other, so that a quick hand cannot overtake the answers.
let busy = Promise.resolve();
function then(work) {
  busy = busy.then(work).catch((error) => { $("message").textContent = error.message; });
  return busy;
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  then(KEYS[event.key]);
});
for (const name of FILTERS) $(name).addEventListener("change", () => { $(name).blur(); then(() => load()); });

then(async () => {
  const { styles, reasons, scores, title } = await ask("/choices");
  document.title = $("title").textContent = title;
  const option = ([value, count]) => new Option(count ? `${value} (${count})` : value, value);
  for (const [name, values] of [["style", Object.entries(styles)], ["reason", Object.entries(reasons)], ["score", scores.map((s) => [s])]])
    $(name).append(...values.map(option));
  await load();
});
