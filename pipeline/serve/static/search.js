// Search as you type: a combobox with a list, as WAI-ARIA describes it.

import { ask, referenceOf } from "./api.js";
import { announce, el, labelOf, nameOf, plural } from "./dom.js";
import { go } from "./state.js";

const LIMIT = 8;

/** Offer these entity types; what was chosen stays, if it is one of them. */
export function offerTypes(types) {
  const select = document.getElementById("search-type");
  const chosen = select.value;
  select.replaceChildren(...types.map(({ name }) => el("option", { value: name, textContent: plural(name) })));
  if (types.some(({ name }) => name === chosen)) select.value = chosen;
  select.disabled = types.length < 2;
}

export function startSearch() {
  const form = document.getElementById("search");
  const select = document.getElementById("search-type");
  const input = document.getElementById("search-text");
  const list = document.getElementById("search-results");
  const remembered = new Map();
  let found = [];
  let active = -1;
  let pending = null;
  let searching = null;

  const close = () => {
    pending?.abort();
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const activate = (number) => {
    active = number;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === number)));
    if (number < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[number].id);
    return list.children[number].scrollIntoView({ block: "nearest" });
  };

  const pick = (entity) => {
    input.value = "";
    close();
    document.getElementById("main").focus({ preventScroll: true });
    go({ at: referenceOf(entity), list: null });
    scrollTo({ top: 0 });
  };

  const show = (results) => {
    found = results;
    const options = results.map((entity, i) =>
      el(
        "li",
        { role: "option", id: `found-${i}`, "aria-selected": "false", onmousedown: (event) => event.preventDefault(),
          onclick: () => pick(entity) },
        nameOf(entity),
        labelOf(entity) === entity.id ? null : el("span", { className: "muted id", textContent: entity.id }),
      ),
    );
    list.replaceChildren(...options);
    list.hidden = !results.length;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-expanded", String(results.length > 0));
    announce(results.length ? `${results.length} ${plural(select.value, results.length)} found` : "Nothing found");
  };

  const search = async () => {
    pending?.abort();
    const typed = input.value.trim();
    const key = `${select.value}\n${typed}`;
    if (remembered.has(key)) return show(remembered.get(key));
    pending = new AbortController();
    // What was found for something else is not what Enter picks.
    found = [];
    try {
      const path = `${encodeURIComponent(select.value)}/search`;
      const { results } = await ask(path, { q: typed, limit: LIMIT }, pending.signal);
      remembered.set(key, results);
      show(results);
    } catch (error) {
      if (error.name !== "AbortError") {
        close();
        announce(error.message);
      }
    }
  };

  const begin = () => { searching = search(); };

  input.addEventListener("input", begin);
  input.addEventListener("focus", () => { if (list.hidden) begin(); });
  input.addEventListener("blur", close);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await searching;
    if (found.length && !list.hidden) pick(found[Math.max(active, 0)]);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) begin();
      else {
        const step = event.key === "ArrowDown" ? 1 : -1;
        activate(((active + step + 1 + found.length + 1) % (found.length + 1)) - 1);
      }
    } else if (event.key === "Home" || event.key === "End") {
      activate(-1);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      input.focus();
    }
  });
  addEventListener("runchange", () => remembered.clear());
}
