// Hover, zoom and find on the maps. Without this, the maps are still there, with the best known names on them.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 1000;
  const LETTER = 12; // pixels
  const REACH = 14; // pixels from the pointer within which a dot is meant
  const LABELS = 48;
  const LARGEST = 40;
  const narrow = matchMedia("(max-width: 640px)");

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  class PointMap {
    constructor(card) {
      const data = JSON.parse(document.getElementById(card.dataset.map).textContent);
      this.height = data.height;
      this.points = data.points.map(([x, y, colour, name]) => ({ x, y, colour, name, folded: fold(name) }));
      this.view = card.querySelector(".view");
      this.svg = card.querySelector("svg");
      this.dots = card.querySelector(".points");
      this.labels = card.querySelector(".labels");
      this.tip = card.querySelector(".tip");
      this.output = card.querySelector("output");
      this.rings = document.createElementNS(SVG, "g");
      this.svg.append(this.rings);
      this.found = [];
      this.held = new Map();
      this.reset();
      this.listen(card);
      card.querySelector(".controls").hidden = false;
      new ResizeObserver(() => this.draw()).observe(this.view);
    }

    listen(card) {
      const zooms = { in: () => this.zoom(1.6), out: () => this.zoom(1 / 1.6), reset: () => this.reset() };
      for (const button of card.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => zooms[button.dataset.zoom]());
      }
      card.querySelector("input").addEventListener("input", (event) => this.find(event.target.value));
      this.view.addEventListener("keydown", (event) => this.press(event));
      this.view.addEventListener("pointermove", (event) => this.move(event));
      this.view.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.view.addEventListener("pointerdown", (event) => this.held.set(event.pointerId, event));
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
        this.view.addEventListener(end, (event) => this.held.delete(event.pointerId));
      }
      this.view.addEventListener("dblclick", (event) => this.zoom(2, this.place(event)));
      // The page scrolls under a plain wheel; pinching a pad is a wheel with Ctrl.
      this.view.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 150), this.place(event));
      }, { passive: false });
    }

    // Pixels to units of the drawing.
    get unit() { return WIDTH / (this.view.clientWidth || WIDTH); }

    place(event) {
      const box = this.view.getBoundingClientRect();
      return [(event.clientX - box.left) * this.unit, (event.clientY - box.top) * this.unit];
    }

    reset() {
      [this.scale, this.left, this.top] = [1, 0, 0];
      this.draw();
    }

    zoom(factor, [x, y] = [WIDTH / 2, this.height / 2]) {
      const scale = clamp(this.scale * factor, 1, 40);
      this.left = x - ((x - this.left) * scale) / this.scale;
      this.top = y - ((y - this.top) * scale) / this.scale;
      this.scale = scale;
      this.draw();
    }

    pan(x, y) {
      this.left += x;
      this.top += y;
      this.draw();
    }

    press(event) {
      const step = 80;
      const keys = {
        "+": () => this.zoom(1.6), "=": () => this.zoom(1.6), "-": () => this.zoom(1 / 1.6), 0: () => this.reset(),
        ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
        ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    }

    move(event) {
      const before = this.held.get(event.pointerId);
      if (before && this.held.size === 2) {
        const other = [...this.held.values()].find((held) => held.pointerId !== event.pointerId);
        const apart = (at) => Math.hypot(at.clientX - other.clientX, at.clientY - other.clientY) || 1;
        this.zoom(apart(event) / apart(before), this.place(event));
      } else if (before && this.scale > 1) {
        this.pan((event.clientX - before.clientX) * this.unit, (event.clientY - before.clientY) * this.unit);
      }
      if (before) this.held.set(event.pointerId, event);
      this.hover(event);
    }

    hover(event) {
      const [x, y] = this.place(event);
      let [nearest, least] = [null, (REACH * this.unit) ** 2];
      for (const point of this.points) {
        const distance = (point.x * this.scale + this.left - x) ** 2 + (point.y * this.scale + this.top - y) ** 2;
        if (distance < least) [nearest, least] = [point, distance];
      }
      this.tip.hidden = !nearest;
      if (!nearest) return;
      this.tip.textContent = nearest.name;
      const across = clamp(x / this.unit + 12, 0, Math.max(0, this.view.clientWidth - this.tip.offsetWidth));
      const down = clamp(y / this.unit - 36, 0, this.view.clientHeight);
      this.tip.style.transform = `translate(${across}px, ${down}px)`;
    }

    find(query) {
      const wanted = fold(query.trim());
      this.found = wanted ? this.points.filter((point) => point.folded.includes(wanted)) : [];
      this.output.textContent = wanted ? `${this.found.length} found` : "";
      this.draw();
    }

    draw() {
      const [width, height] = [WIDTH * (this.scale - 1), this.height * (this.scale - 1)];
      this.left = clamp(this.left, -width, 0);
      this.top = clamp(this.top, -height, 0);
      this.dots.setAttribute("transform", `translate(${this.left} ${this.top}) scale(${this.scale})`);
      // A finger scrolls the page until the map is zoomed into.
      this.view.style.touchAction = this.scale > 1 ? "none" : "pan-x pan-y";
      this.drawLabels();
      this.rings.replaceChildren(...this.found.slice(0, 200).map((point) => this.ring(point)));
    }

    ring(point) {
      const ring = document.createElementNS(SVG, "circle");
      const [x, y] = this.onScreen(point);
      for (const [key, value] of Object.entries({ class: "found", cx: x, cy: y, r: 7 * this.unit })) {
        ring.setAttribute(key, value);
      }
      return ring;
    }

    onScreen(point) {
      return [point.x * this.scale + this.left, point.y * this.scale + this.top];
    }

    // The best known that are in view and hide no others; what was found comes first.
    drawLabels() {
      const boxes = [];
      const drawn = [];
      const size = LETTER * this.unit;
      const most = narrow.matches ? LABELS / 4 : LABELS;
      for (const point of [...this.found.slice(0, 20), ...this.points]) {
        if (drawn.length >= most) break;
        const [x, y] = this.onScreen(point);
        if (x < 0 || x > WIDTH || y < size * 1.4 || y > this.height) continue;
        const text = point.name.length > 28 ? `${point.name.slice(0, 27)}…` : point.name;
        const half = (Math.max(text.length, 2) * size * 0.58) / 2;
        const middle = clamp(x, half, WIDTH - half);
        const [left, top, right, bottom] = [middle - half, y - size * 1.6, middle + half, y - size * 0.2];
        if (boxes.some((box) => left < box[2] && box[0] < right && top < box[3] && box[1] < bottom)) continue;
        boxes.push([left, top, right, bottom]);
        drawn.push(this.label(text, middle, y - size * 0.6, size, drawn.length < LARGEST / 4));
      }
      this.labels.replaceChildren(...drawn);
    }

    label(text, x, y, size, strong) {
      const label = document.createElementNS(SVG, "text");
      label.textContent = text;
      label.setAttribute("x", x);
      label.setAttribute("y", y);
      label.setAttribute("text-anchor", "middle");
      label.setAttribute("class", "place");
      label.style.fontSize = `${size}px`;
      label.style.strokeWidth = `${size / 4}px`;
      label.style.fontWeight = strong ? 600 : 400;
      return label;
    }
  }

  for (const card of document.querySelectorAll("[data-map]")) new PointMap(card);
})();
