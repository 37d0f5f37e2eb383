// The taste: what is liked, added, less what is disliked; and what suits it.

import { ApiError, ask, parseReference, pathOf, referenceOf } from "./api.js";
import { announce, capitalized, el, labelOf, plural, problem } from "./dom.js";
import { linkTo, rankedList } from "./lists.js";
import { go, rate, readState } from "./state.js";
import { tabList } from "./tabs.js";

const LENGTH = 20;
const names = new Map();
let shown = null;

/** Show the taste of the address; what is shown already stays. */
export async function showTaste(run) {
  const aside = document.getElementById("taste");
  const { likes, dislikes, recommend } = readState();
  const key = JSON.stringify([run.run, likes, dislikes, recommend]);
  if (key === shown) return;
  shown = key;
  const heading = el("h2", { textContent: "Your taste" });
  if (!likes.length && !dislikes.length) {
    aside.classList.add("empty");
    const how = "Add what you like with + and subtract what you do not with −: this shows what suits the result.";
    aside.replaceChildren(heading, el("p", { className: "muted", textContent: how }));
    return;
  }
  aside.classList.remove("empty");
  try {
    const references = [...likes, ...dislikes];
    const named = await Promise.all(references.map(nameReference));
    if (shown !== key) return;
    // What this run does not have is left out, unless nothing else is there.
    const has = (reference) => !(named[references.indexOf(reference)] instanceof ApiError);
    const taste = { like: likes.filter(has), dislike: dislikes.filter(has) };
    if (!taste.like.length && !taste.dislike.length) throw named[0];
    const first = parseReference(taste.like[0] ?? taste.dislike[0]).type;
    const lists = run.entities.find(({ name }) => name === first)?.lists ?? [first];
    const to = lists.includes(recommend) ? recommend : first;
    const { results } = await ask("recommend", { ...taste, to, k: LENGTH });
    if (shown !== key) return;
    const chips = references.map((reference, i) =>
      has(reference) ? chip(named[i], likes.includes(reference)) : missingChip(reference));
    const tabs = lists.map((type) => ({ key: type, label: capitalized(plural(type)) }));
    const { list, panel } = tabList("for", "What to recommend", tabs, to, (type) => go({ recommend: type }));
    panel.append(rankedList(results, run.explains ? taste : null));
    keepFocus(aside, () => {
      aside.replaceChildren(
        el("div", { className: "heading" }, heading, clearButton()),
        el("ul", { className: "chips", "aria-label": "What your taste is made of" }, chips),
        el("h3", { textContent: "Suits it" }),
        list,
        panel,
      );
    });
    announce(`${results.length} ${plural(to, results.length)} suit your taste`);
  } catch (error) {
    if (shown !== key) return;
    shown = null;
    aside.replaceChildren(el("div", { className: "heading" }, heading, clearButton()), problem(error));
  }
}

function chip(entity, liked) {
  const label = labelOf(entity);
  const reference = referenceOf(entity);
  return el(
    "li",
    { className: liked ? "chip like" : "chip dislike" },
    el("button", {
      type: "button",
      id: `flip-${reference}`,
      className: "flip",
      textContent: liked ? "+" : "−",
      title: liked ? "Subtract instead" : "Add instead",
      "aria-label": liked ? `${label} is added; subtract it instead` : `${label} is subtracted; add it instead`,
      onclick: () => rate(reference, liked ? "dislike" : "like"),
    }),
    linkTo(entity),
    removeButton(reference, label),
  );
}

function missingChip(reference) {
  const { id } = parseReference(reference);
  const name = el("span", { className: "name", textContent: `${id}: not in this run, left out` });
  return el("li", { className: "chip missing" }, name, removeButton(reference, id));
}

function removeButton(reference, label) {
  return el("button", {
    type: "button",
    className: "remove",
    textContent: "×",
    title: "Leave out",
    "aria-label": `Leave ${label} out`,
    onclick: () => rate(reference, null),
  });
}

function clearButton() {
  return el("button", {
    type: "button",
    className: "quiet",
    textContent: "Clear",
    "aria-label": "Clear your taste",
    onclick: () => go({ likes: [], dislikes: [], recommend: null }),
  });
}

/** An entity with its name, which addresses do not have; what is said of it where the run does not have it. */
async function nameReference(reference) {
  if (!names.has(reference)) {
    const { type, id } = parseReference(reference);
    try {
      names.set(reference, await ask(pathOf(type, id)));
    } catch (error) {
      if (error.status !== 404) throw error;
      return error;
    }
  }
  return names.get(reference);
}

/** Change what is shown, and give the focus back to what has taken the place of what had it. */
export function keepFocus(region, change) {
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  change();
  if (!focused) return;
  const again = focused.id ? document.getElementById(focused.id) : null;
  (again ?? region.querySelector("button, a"))?.focus({ preventScroll: true });
}

addEventListener("runchange", () => {
  names.clear();
  shown = null;
});
