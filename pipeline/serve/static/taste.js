// The taste: what is liked, added, less what is disliked; and what suits it.

import { ask, parseReference, pathOf, referenceOf } from "./api.js";
import { announce, capitalized, el, labelOf, plural, problem } from "./dom.js";
import { linkTo, rankedList } from "./lists.js";
import { go, rate, readState } from "./state.js";
import { tabList } from "./tabs.js";

const LENGTH = 20;
const named = new Map();
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
  const first = parseReference(likes[0] ?? dislikes[0]).type;
  const lists = run.entities.find(({ name }) => name === first)?.lists ?? [first];
  const to = lists.includes(recommend) ? recommend : first;
  try {
    const [entities, { results }] = await Promise.all([
      Promise.all([...likes, ...dislikes].map(nameReference)),
      ask("recommend", { like: likes, dislike: dislikes, to, k: LENGTH }),
    ]);
    if (shown !== key) return;
    const chips = entities.map((entity) => chip(entity, likes.includes(referenceOf(entity))));
    const tabs = lists.map((type) => ({ key: type, label: capitalized(plural(type)) }));
    const { list, panel } = tabList("for", "What to recommend", tabs, to, (type) => go({ recommend: type }));
    panel.append(rankedList(results, run.explains ? { like: likes, dislike: dislikes } : null));
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
    el("button", {
      type: "button",
      className: "remove",
      textContent: "×",
      title: "Leave out",
      "aria-label": `Leave ${label} out`,
      onclick: () => rate(reference, null),
    }),
  );
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

/** An entity with its name, which addresses do not have. */
async function nameReference(reference) {
  if (!named.has(reference)) {
    const { type, id } = parseReference(reference);
    named.set(reference, await ask(pathOf(type, id)));
  }
  return named.get(reference);
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
  named.clear();
  shown = null;
});
