// Figures in 3D: posed here by the moves of their bones, drawn by WebGL where there is some, as limbs where there is none.
"use strict";

const COLOURS = { middle: 0xcfcabf, right: 0xd9692c, left: 0x2f86c4, ghost: 0x8d8a84 };
const SIDES = ["middle", "right", "left"];
const REACH = 0.0105, PACE = 0.45, TILT = 1.2; // radians a pixel, radians a second, the most up and down

const page = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

const body = (() => {
  const { sides, ...parts } = page.body;
  const kinds = { vertices: Int16Array, shapes: Int16Array, faces: Uint16Array, bones: Uint8Array, weights: Uint8Array };
  const read = ([name, [text, scale]]) => {
    const numbers = new kinds[name](bytes(text).buffer);
    return [name, scale > 1 ? Float32Array.from(numbers, (n) => n / scale) : numbers];
  };
  const arrays = Object.fromEntries(Object.entries(parts).map(read));
  return { sides, ...arrays, each: (3 * arrays.bones.length) / arrays.vertices.length }; // bones of a vertex
})();

// Vertices of a figure, metres, y up: each the mean over its bones of move @ (rest vertex with its shape, 1).
function posed({ betas, moves }) {
  const { vertices, shapes, bones, weights } = body, turns = new Float32Array(bytes(moves).buffer);
  const out = new Float32Array(vertices.length), rest = [0, 0, 0], many = betas.length, each = body.each;
  for (let v = 0; v < vertices.length / 3; v++) {
    for (let k = 0; k < 3; k++) {
      rest[k] = vertices[3 * v + k];
      for (let b = 0; b < many; b++) rest[k] += shapes[(3 * v + k) * many + b] * betas[b];
    }
    let total = 0;
    for (let i = each * v; i < each * (v + 1); i++) total += weights[i];
    for (let i = each * v; i < each * (v + 1); i++)
      for (let k = 0, at = 12 * bones[i]; k < 3; k++, at += 4)
        out[3 * v + k] += (weights[i] / total) * (turns[at] * rest[0] + turns[at + 1] * rest[1] + turns[at + 2] * rest[2] + turns[at + 3]);
  }
  return out;
}

// One WebGL drawing place for all views, which copy what it shows; null where the browser has none.
const easel = (() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { alpha: true, antialias: true });
  if (!context) return null;
  try {
    const renderer = new THREE.WebGLRenderer({ canvas, context, alpha: true, antialias: true });
    const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(18, 1, 0.1, 100);
    const lamp = new THREE.DirectionalLight(0xffffff, 2.2);
    lamp.position.set(-1.5, 2.5, 3);
    camera.add(lamp);
    scene.add(camera, new THREE.HemisphereLight(0xffffff, 0x8d8a92, 1.5));
    const made = { renderer, scene, camera, canvas, lost: false };
    canvas.addEventListener("webglcontextlost", () => { made.lost = true; views.forEach((view) => view.draw()); });
    return made;
  } catch { return null; }
})();

const meshes = new Map(); // by figure
function meshOf(figure, ghost) {
  const key = `${figure.moves} ${ghost}`;
  if (!meshes.has(key)) {
    const form = new THREE.BufferGeometry(), colours = new Float32Array(body.vertices.length), colour = new THREE.Color();
    for (let v = 0; v < colours.length / 3; v++)
      colour.set(COLOURS[ghost ? "ghost" : SIDES[body.sides[body.bones[body.each * v]]]]).toArray(colours, 3 * v);
    form.setAttribute("position", new THREE.BufferAttribute(posed(figure), 3));
    form.setAttribute("color", new THREE.BufferAttribute(colours, 3));
    form.setIndex(new THREE.BufferAttribute(body.faces, 1));
    form.computeVertexNormals();
    form.computeBoundingBox();
    const paint = new THREE.MeshLambertMaterial({ vertexColors: true, side: THREE.DoubleSide, transparent: ghost, opacity: ghost ? 0.45 : 1, depthWrite: !ghost });
    meshes.set(key, new THREE.Mesh(form, paint));
  }
  return meshes.get(key);
}

const views = new Set();
const turning = { on: !matchMedia("(prefers-reduced-motion: reduce)").matches, before: 0 };

// A canvas that shows figures: [{moves, betas, joints3d, ghost}]. Dragging and arrow keys turn it.
class View {
  constructor(canvas, name) {
    Object.assign(this, { canvas, figures: [], yaw: 0, pitch: 0, held: false, seen: false });
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name} in 3D; arrow keys turn it`);
    canvas.addEventListener("pointerdown", (event) => { this.held = true; canvas.setPointerCapture(event.pointerId); });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { this.held = false; });
    canvas.addEventListener("pointermove", (event) => this.held && this.turn(event.movementX * REACH, event.movementY * REACH));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.turn(...step);
    });
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.draw(); wake(); }).observe(canvas);
    new ResizeObserver(() => this.draw()).observe(canvas);
    views.add(this);
  }

  show(figures) {
    Object.assign(this, { figures, yaw: 0, pitch: 0 });
    this.draw();
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.max(-TILT, Math.min(TILT, this.pitch + pitch));
    this.draw();
  }

  draw() {
    const size = Math.round(this.canvas.clientWidth * Math.min(devicePixelRatio, 2));
    if (!size || !this.seen || !this.figures.length) return;
    if (this.canvas.width !== size) this.canvas.width = this.canvas.height = size;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    const with3d = easel && !easel.lost;
    (with3d ? paintBodies : paintLimbs)(this, context, size);
    this.canvas.dataset.drawn = with3d ? "webgl" : "limbs";
  }
}

function paintBodies(view, context, size) {
  const { renderer, scene, camera, canvas } = easel;
  if (canvas.width !== size) renderer.setSize(size, size, false);
  const group = new THREE.Group(), box = new THREE.Box3();
  for (const figure of view.figures) {
    const mesh = meshOf(figure, Boolean(figure.ghost));
    box.union(mesh.geometry.boundingBox);
    group.add(mesh);
  }
  const middle = box.getCenter(new THREE.Vector3()), { x, y, z } = box.getSize(new THREE.Vector3()), around = Math.hypot(x, z) / 2;
  const away = (1.08 * Math.max(y / 2, around)) / Math.tan((camera.fov * Math.PI) / 360) + around;
  // The viewer walks around the figure; a figure dragged to the right turns to the right.
  camera.position.set(-Math.sin(view.yaw) * Math.cos(view.pitch), Math.sin(view.pitch), Math.cos(view.yaw) * Math.cos(view.pitch)).multiplyScalar(away).add(middle);
  camera.lookAt(middle);
  scene.add(group);
  renderer.render(scene, camera);
  scene.remove(group);
  context.drawImage(canvas, 0, 0);
}

function paintLimbs(view, context, size) {
  const { joints, edges } = page, hex = (colour) => `#${colour.toString(16).padStart(6, "0")}`;
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const turned = view.figures.map(({ joints3d }) => joints.map((_, i) => {
    const [x, y, z] = joints3d.slice(3 * i, 3 * i + 3);
    const [across, deep] = [x * cy + z * sy, z * cy - x * sy];
    return [across, y * cp - deep * sp, deep * cp + y * sp];
  }));
  const all = turned.flat(), spans = [0, 1].map((k) => [Math.min(...all.map((p) => p[k])), Math.max(...all.map((p) => p[k]))]);
  const scale = (0.8 * size) / Math.max(...spans.map(([low, high]) => high - low), 1);
  const at = (p) => [size / 2 + (p[0] - (spans[0][0] + spans[0][1]) / 2) * scale, size / 2 - (p[1] - (spans[1][0] + spans[1][1]) / 2) * scale];
  const limbs = view.figures.flatMap(({ ghost }, f) => edges.map(([a, b]) => ({
    ends: [turned[f][a], turned[f][b]], deep: turned[f][a][2] + turned[f][b][2] - (ghost ? 1e4 : 0), colour: hex(COLOURS[ghost ? "ghost" : sideOf(b)]), head: a === 0,
  })));
  context.lineCap = "round";
  for (const { ends, colour, head } of limbs.sort((a, b) => a.deep - b.deep)) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = size / 26;
    context.beginPath();
    context.moveTo(...at(ends[0]));
    context.lineTo(...at(ends[1]));
    context.stroke();
    if (!head) continue;
    context.beginPath();
    context.arc(...at(ends[0]), size / 17, 0, 7);
    context.fill();
  }
}

function wake() {
  if (turning.on && !turning.before && [...views].some((view) => view.seen)) requestAnimationFrame(step);
}

function step(now) {
  const passed = turning.before ? Math.min(now - turning.before, 100) / 1000 : 0;
  const awake = turning.on ? [...views].filter((view) => view.seen && !view.held && view.figures.length) : [];
  for (const view of awake) view.turn(passed * PACE, 0);
  turning.before = awake.length ? now : 0;
  if (awake.length) requestAnimationFrame(step);
}

function setTurning(on) {
  turning.on = on;
  for (const box of document.querySelectorAll(".turning")) box.checked = on;
  wake();
}
