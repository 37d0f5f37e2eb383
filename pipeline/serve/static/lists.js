// Ranked lists with their scores as bars, and why something is on one.

import { ask, referenceOf } from "./api.js";
import { el, labelOf, moveByArrows, nameOf, problem } from "./dom.js";
import { addressWith, rate, readState } from "./state.js";

const SHOWN_SHARES = 8;

/** A link that looks at an entity. */
export function linkTo(entity) {
  return el(
    "a",
    { href: addressWith({ at: referenceOf(entity), list: null }), "data-link": "", "data-at": referenceOf(entity) },
    nameOf(entity),
  );
}

/** Buttons that add an entity to the taste or subtract it; pressed ones take it out again. */
export function ratingButtons(entity) {
  const reference = referenceOf(entity);
  const { likes, dislikes } = readState();
  const button = (rating, sign, verb, references) => {
    const pressed = references.includes(reference);
    return el("button", {
      type: "button",
      className: `rate ${rating}`,
      textContent: sign,
      title: `${verb} your taste`,
      "aria-label": `${verb} your taste: ${labelOf(entity)}`,
      "aria-pressed": String(pressed),
      "data-reference": reference,
      onclick: ({ currentTarget }) => rate(reference, currentTarget.ariaPressed === "true" ? null : rating),
    });
  };
  return el(
    "span",
    { className: "rates" },
    button("like", "+", "Add to", likes),
    button("dislike", "−", "Subtract from", dislikes),
  );
}

/** Bring the links and buttons of what stays on the page up to a changed taste. */
export function refreshTaste(region) {
  const { likes, dislikes } = readState();
  for (const button of region.querySelectorAll("button.rate")) {
    const references = button.classList.contains("like") ? likes : dislikes;
    button.setAttribute("aria-pressed", String(references.includes(button.dataset.reference)));
  }
  for (const link of region.querySelectorAll("a[data-at]")) {
    link.href = addressWith({ at: link.dataset.at, list: null });
  }
}

/** A ranked list; `why` gives the parameters that explain an entry, where entries can be explained. */
export function rankedList(results, why = null) {
  if (!results.length) return el("p", { className: "muted", textContent: "Nothing is left to list." });
  const scores = results.map((entity) => entity.score);
  const highest = Math.max(...scores, 1e-9);
  const list = el(
    "ol",
    { className: "ranked" },
    results.map((entity) => {
      const bar = el("span", { className: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", String(Math.max(entity.score / highest, 0)));
      return el(
        "li",
        {},
        el(
          "div",
          { className: "row" },
          el("span", { className: "rank", textContent: String(entity.rank), "aria-hidden": "true" }),
          el("span", { className: "what" }, linkTo(entity), bar),
          el("span", { className: "score", textContent: entity.score.toFixed(3), title: "Score" }),
          why ? whyButton(entity, why) : null,
          ratingButtons(entity),
        ),
      );
    }),
  );
  moveByArrows(list);
  return list;
}

function whyButton(entity, why) {
  const button = el("button", {
    type: "button",
    className: "why",
    textContent: "Why?",
    "aria-label": `Why ${labelOf(entity)}?`,
    "aria-expanded": "false",
  });
  button.addEventListener("click", async () => {
    const item = button.closest("li");
    const shown = item.querySelector(".because");
    button.setAttribute("aria-expanded", String(!shown));
    if (shown) return shown.remove();
    const panel = el("div", { className: "because" });
    item.append(panel);
    try {
      const answer = await ask("explain", { ...why, item: referenceOf(entity), k: SHOWN_SHARES });
      return panel.replaceChildren(...explain(answer));
    } catch (error) {
      return panel.replaceChildren(problem(error));
    }
  });
  return button;
}

function explain(answer) {
  const shares = answer.contributions;
  const widest = Math.max(...shares.map(({ share }) => Math.abs(share)), 1e-9);
  const rows = shares.map((entity) => {
    const bar = el("span", { className: entity.share < 0 ? "bar minus" : "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", String(Math.abs(entity.share) / widest));
    return el(
      "li",
      { className: "row" },
      el("span", { className: "what" }, linkTo(entity), bar),
      el("span", { className: "score", textContent: signed(entity.share) }),
    );
  });
  const rest = Math.abs(answer.others) > 5e-4 ? ` Everything else adds ${signed(answer.others)}.` : "";
  const fitted = Math.abs(answer.score - answer.explained) > 5e-4 ? `, ${answer.score.toFixed(3)} as it was fitted` : "";
  return [
    el("ul", { className: "shares" }, rows),
    el("p", { className: "muted", textContent: `Together ${answer.explained.toFixed(3)}${fitted}.${rest}` }),
  ];
}

const signed = (share) => `${share < 0 ? "−" : "+"}${Math.abs(share).toFixed(3)}`;
