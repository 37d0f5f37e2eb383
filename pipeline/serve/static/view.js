// What is looked at: an entity with what is listed beside it, or, to begin with, what is popular.

import { ask, parseReference, pathOf, referenceOf } from "./api.js";
import { announce, capitalized, el, labelOf, moveByArrows, nameOf, plural, problem } from "./dom.js";
import { linkTo, rankedList, ratingButtons } from "./lists.js";
import { mapOf } from "./map.js";
import { go, readState } from "./state.js";
import { tabList } from "./tabs.js";

const LENGTH = 30;
const POPULAR = 12;
const USER = "user";
let turn = 0;

/** Show what the address says; whether that could be done. */
export async function showView(run) {
  const { at } = readState();
  const mine = ++turn;
  const main = document.getElementById("main");
  main.setAttribute("aria-busy", "true");
  try {
    const content = at ? await entityView(run, parseReference(at)) : await startView(run);
    if (mine !== turn) return true;
    const focused = main.contains(document.activeElement) ? document.activeElement.id : null;
    main.replaceChildren(...content);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    for (const map of main.querySelectorAll(".map")) map.dispatchEvent(new Event("shown"));
    return true;
  } catch (error) {
    if (mine === turn) main.replaceChildren(el("section", { className: "card" },
      el("h1", { className: "hidden", textContent: "This cannot be shown" }), problem(error)));
    return false;
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
}

async function startView(run) {
  document.title = `${run.name || "cfpipe"} · look-ups`;
  const types = run.entities.filter(({ name }) => name !== USER || run.entities.length === 1);
  const mapped = types.find(({ has_map: hasMap }) => hasMap);
  const [map, ...popular] = await Promise.all([
    mapped ? ask(`${encodeURIComponent(mapped.name)}/map`) : null,
    ...types.map(({ name }) => ask(`${encodeURIComponent(name)}/search`, { q: "", limit: POPULAR })),
  ]);
  const sections = types.map(({ name, count }, i) => {
    const list = el("ul", { className: "grid" }, popular[i].results.map((entity) =>
      el("li", {}, linkTo(entity), ratingButtons(entity))));
    moveByArrows(list);
    const total = `${count.toLocaleString("en")} ${plural(name, count)}`;
    return el("section", {}, el("h2", {}, capitalized(plural(name)), el("small", { textContent: total })), list);
  });
  const drawn = map ? [el("section", { className: "card" },
    el("h2", {}, "The map", el("small", { textContent: `${plural(mapped.name)}, near ones alike` })),
    mapOf(map.places, { label: `Map of ${plural(mapped.name)}`, open }))] : [];
  return [el("h1", { className: "hidden", textContent: run.name || "Look-ups" }), ...drawn, ...sections];
}

async function entityView(run, { type, id }) {
  const described = run.entities.find(({ name }) => name === type);
  const { list: chosen } = readState();
  const tabs = tabsOf(type, described);
  const to = tabs.some(({ key }) => key === chosen) ? chosen : type;
  const path = pathOf(type, id);
  const [entity, similar, map] = await Promise.all([
    ask(path),
    ask(`${path}/similar`, { to: to === "map" ? type : to, k: LENGTH }),
    to === "map" ? ask(`${encodeURIComponent(type)}/map`) : null,
  ]);
  const label = labelOf(entity);
  document.title = `${label} · ${run.name || "cfpipe"}`;
  const { list, panel } = tabList("beside", `Beside ${label}`, tabs, to, (key) =>
    go({ list: key === type ? null : key }));
  if (map) panel.append(...mapPanel(entity, map.places, similar.results));
  else panel.append(rankedList(similar.results, explainsFor(run, entity, to)));
  announce(`${label}: ${similar.results.length} ${plural(to === "map" ? type : to, similar.results.length)}`);
  return [
    el(
      "section",
      { className: "card entity" },
      el("p", { className: "kind", textContent: type }),
      el("div", { className: "heading" }, el("h1", {}, nameOf(entity)), ratingButtons(entity)),
      ...relatedOf(entity),
    ),
    el("section", { className: "card" }, list, panel),
  ];
}

function tabsOf(type, described) {
  const others = (described?.lists ?? []).filter((name) => name !== type);
  return [
    { key: type, label: `Similar ${plural(type)}` },
    ...others.map((name) => ({ key: name, label: capitalized(plural(name)) })),
    ...(described?.has_map ? [{ key: "map", label: "Map" }] : []),
  ];
}

/** What a user's list is explained by: the user's history. */
function explainsFor(run, entity, to) {
  return run.explains && entity.type === USER && to !== USER ? { user: entity.id } : null;
}

function relatedOf(entity) {
  return Object.entries(entity.related).map(([type, entities]) => {
    const count = entity.counts[type];
    const more = count - entities.length;
    return el(
      "p",
      { className: "related" },
      el("span", { className: "muted", textContent: `${capitalized(plural(type, count))} ` }),
      ...entities.flatMap((other, i) => [i ? ", " : "", linkTo(other)]),
      more > 0 ? el("span", { className: "muted", textContent: ` and ${more.toLocaleString("en")} more` }) : null,
    );
  });
}

/** The place of an entity among those on the map; one that is not is near its neighbours. */
function mapPanel(entity, places, similar) {
  const own = places.find(({ id }) => id === entity.id);
  const near = similar.map((other) => places.find(({ id }) => id === other.id)).filter(Boolean);
  const closest = near.slice(0, 3);
  const mean = (axis) => closest.reduce((sum, place) => sum + place[axis], 0) / closest.length;
  const guessed = !own && closest.length ? { ...entity, x: mean("x"), y: mean("y"), group: null, guessed: true } : null;
  const here = own ?? guessed;
  const note = own
    ? "Marked with its nearest neighbours."
    : guessed
      ? "Not among the most popular, which the map shows: marked where its nearest neighbours are."
      : "Neither this nor what is nearest to it is among the most popular, which the map shows.";
  const label = `Map of ${plural(entity.type)} with ${labelOf(entity)} marked`;
  return [
    mapOf(places, { label, here, near: near.slice(0, 10), open }),
    el("p", { className: "muted", textContent: note }),
  ];
}

function open(place) {
  go({ at: referenceOf(place) });
}
