// The map: places on a canvas, to be zoomed, dragged, pointed at, and walked by the arrow keys.

import { el, labelOf } from "./dom.js";

const HEIGHT = 420;
const MARGIN = 0.9;
const LARGEST_ZOOM = 60;
const REACH = 14;
const MAX_LABELS = 40;
const WHEEL_SPEED = 0.0015;
const GOLDEN_ANGLE = 137.508;

/** Draw places; `here` is marked and `near` are tied to it; `open` is called with a place that is picked. */
export function mapOf(places, { label, here = null, near = [], open }) {
  const drawing = new Drawing(places, here, near);
  const tip = el("div", { className: "tip", hidden: true });
  const said = el("p", { className: "hidden", role: "status" });
  const help = el("p", {
    className: "muted small",
    id: "map-help",
    textContent: "Drag to move, click and scroll to zoom. Arrow keys go to the next place, Enter opens it, + and − zoom, 0 shows all.",
  });
  const frame = el("div", {
    className: "frame", tabIndex: 0, role: "application", "aria-label": label, "aria-describedby": "map-help",
  }, drawing.canvas, tip);
  const button = (text, name, act) =>
    el("button", { type: "button", textContent: text, title: name, "aria-label": name, onclick: act });
  const controls = el("div", { className: "zoom" },
    button("+", "Zoom in", () => drawing.zoomBy(1.6)),
    button("−", "Zoom out", () => drawing.zoomBy(1 / 1.6)),
    button("⤢", "Show all", () => drawing.reset()));
  const map = el("div", { className: "map" }, el("div", { className: "stage" }, frame, controls), help, said);

  const point = (place) => {
    drawing.point(place);
    tip.hidden = !place;
    frame.classList.toggle("pointing", Boolean(place));
    if (!place) return;
    tip.textContent = place.group ? `${labelOf(place)} · ${place.group}` : labelOf(place);
    const [x, y] = drawing.screen(place);
    tip.style.left = `${Math.min(Math.max(x, 60), drawing.width - 60)}px`;
    tip.style.top = `${y < 40 ? y + 34 : y - 10}px`;
  };
  const openable = (place) => { if (place && !place.guessed) open(place); };

  drag(frame, drawing, point, openable);
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (direction) {
      const next = drawing.next(...direction);
      drawing.reveal(next);
      point(next);
      said.textContent = next ? labelOf(next) : "";
    } else if (event.key === "Enter") openable(drawing.pointed);
    else if (event.key === "+" || event.key === "=") drawing.zoomBy(1.6);
    else if (event.key === "-") drawing.zoomBy(1 / 1.6);
    else if (event.key === "0") drawing.reset();
    else return;
    event.preventDefault();
  });
  frame.addEventListener("blur", () => point(null));
  map.addEventListener("shown", () => drawing.attach());
  return map;
}

function drag(frame, drawing, point, openable) {
  let from = null;
  let moved = 0;
  const at = (event) => {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = at(event);
    moved = 0;
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (!from) return point(drawing.nearest(x, y));
    moved += Math.abs(x - from[0]) + Math.abs(y - from[1]);
    drawing.moveBy(x - from[0], y - from[1]);
    from = [x, y];
    return moved > 4 ? point(null) : undefined;
  });
  frame.addEventListener("pointerup", (event) => {
    if (from && moved <= 4) openable(drawing.nearest(...at(event)));
    from = null;
  });
  frame.addEventListener("pointercancel", () => { from = null; });
  frame.addEventListener("pointerleave", () => { if (!from) point(null); });
  frame.addEventListener("wheel", (event) => {
    // Who scrolls past the map wants to go on: it zooms once it has been clicked.
    if (!event.ctrlKey && document.activeElement !== frame) return;
    event.preventDefault();
    drawing.zoomBy(Math.exp(-event.deltaY * WHEEL_SPEED), ...at(event));
  }, { passive: false });
}

/** What is drawn, and where: `center` is what is in the middle, in places' units of 0 to 1. */
class Drawing {
  constructor(places, here, near) {
    this.places = places;
    this.here = here;
    this.near = new Set(near);
    this.pointed = null;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.width = 600;
    this.height = HEIGHT;
    const groups = [...new Set(places.map(({ group }) => group))];
    this.hues = new Map(groups.map((group, i) => [group, (i * GOLDEN_ANGLE + 210) % 360]));
    this.zoom = 1;
    this.center = [0.5, 0.5];
  }

  /** Begin to draw: the canvas is in the page. */
  attach() {
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => (this.canvas.isConnected ? this.draw() : scheme.removeEventListener("change", redraw));
    scheme.addEventListener("change", redraw);
    this.resize();
    if (this.here) this.reveal(this.here, 2.5);
  }

  resize() {
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    this.width = width;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  reset() {
    this.zoom = 1;
    this.center = [0.5, 0.5];
    this.draw();
  }

  /** Zoom, what is under a point of the screen staying there. */
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.place(x, y);
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), LARGEST_ZOOM);
    const after = this.place(x, y);
    this.moveCenter(before[0] - after[0], before[1] - after[1]);
  }

  moveBy(dx, dy) {
    const [zero, moved] = [this.place(0, 0), this.place(dx, dy)];
    this.moveCenter(zero[0] - moved[0], zero[1] - moved[1]);
  }

  moveCenter(dx, dy) {
    this.center = [clamp(this.center[0] + dx), clamp(this.center[1] + dy)];
    this.draw();
  }

  /** Bring a place into view. */
  reveal(place, zoom = this.zoom) {
    if (!place) return;
    this.zoom = zoom;
    const [x, y] = this.screen(place);
    const inside = x > 40 && x < this.width - 40 && y > 40 && y < this.height - 40;
    if (!inside || zoom !== 1) this.center = [place.x, place.y];
    this.draw();
  }

  point(place) {
    if (place === this.pointed) return;
    this.pointed = place;
    this.draw();
  }

  screen({ x, y }) {
    return [
      this.width / 2 + (x - this.center[0]) * this.zoom * MARGIN * this.width,
      this.height / 2 + (y - this.center[1]) * this.zoom * MARGIN * this.height,
    ];
  }

  place(x, y) {
    return [
      this.center[0] + (x - this.width / 2) / (this.zoom * MARGIN * this.width),
      this.center[1] + (y - this.height / 2) / (this.zoom * MARGIN * this.height),
    ];
  }

  nearest(x, y) {
    return best(this.places, (place) => {
      const [px, py] = this.screen(place);
      const distance = Math.hypot(px - x, py - y);
      return distance <= REACH ? distance : Infinity;
    });
  }

  /** The nearest place in a direction from the one pointed at, or from what is marked. */
  next(dx, dy) {
    const from = this.pointed ?? this.here;
    if (!from) return this.places[0] ?? null;
    const [fromX, fromY] = this.screen(from);
    const found = best(this.places, (place) => {
      const [x, y] = this.screen(place);
      const ahead = (x - fromX) * dx + (y - fromY) * dy;
      const aside = Math.abs((x - fromX) * dy) + Math.abs((y - fromY) * dx);
      return place !== from && ahead > 0.5 && ahead >= aside / 2 ? ahead + 2 * aside : Infinity;
    });
    return found ?? from;
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const color = (name) => style.getPropertyValue(name);
    context.clearRect(0, 0, this.width, this.height);
    const radius = Math.min(2.2 + Math.sqrt(this.zoom), 6);
    this.places.forEach((place) => {
      const [x, y] = this.screen(place);
      if (x < -9 || y < -9 || x > this.width + 9 || y > this.height + 9) return;
      context.globalAlpha = this.here && !this.near.has(place) && place !== this.here ? 0.35 : 0.85;
      context.fillStyle = `hsl(${this.hues.get(place.group)} 50% ${dark ? 64 : 50}%)`;
      disc(context, x, y, radius);
    });
    context.globalAlpha = 1;
    if (this.here) this.drawHere(context, color, radius);
    if (this.pointed) {
      context.strokeStyle = color("--fg");
      context.lineWidth = 2;
      ring(context, ...this.screen(this.pointed), radius + 3);
    }
    this.drawLabels(context, color);
  }

  drawHere(context, color, radius) {
    const [x, y] = this.screen(this.here);
    context.strokeStyle = color("--accent");
    context.lineWidth = 1;
    context.globalAlpha = 0.5;
    for (const place of this.near) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(...this.screen(place));
      context.stroke();
    }
    context.globalAlpha = 1;
    context.fillStyle = color("--accent");
    context.lineWidth = 2.5;
    context.setLineDash(this.here.guessed ? [4, 3] : []);
    if (!this.here.guessed) disc(context, x, y, radius + 1);
    ring(context, x, y, radius + 5);
    context.setLineDash([]);
  }

  /** Names of as many places as fit, what is marked first, then the most popular. */
  drawLabels(context, color) {
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = color("--card");
    const taken = [];
    const first = [this.here, ...this.near].filter(Boolean);
    for (const place of [...first, ...this.places]) {
      if (taken.length >= MAX_LABELS) break;
      const [x, y] = this.screen(place);
      if (x < 0 || y < 8 || x > this.width || y > this.height - 8) continue;
      const text = shortened(labelOf(place));
      const width = context.measureText(text).width;
      const left = x + 9 + width > this.width ? x - 9 - width : x + 9;
      const box = [left - 2, y - 9, left + width + 2, y + 9];
      if (taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      context.strokeText(text, left, y);
      context.fillStyle = color(place === this.here ? "--accent" : "--fg");
      context.fillText(text, left, y);
    }
  }
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function ring(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function best(places, cost) {
  let found = null;
  let lowest = Infinity;
  for (const place of places) {
    const own = cost(place);
    if (own < lowest) [found, lowest] = [place, own];
  }
  return found;
}

const clamp = (value) => Math.min(Math.max(value, 0), 1);
const shortened = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text);
const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
