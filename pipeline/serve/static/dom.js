// Elements made from data; names only ever become text.

/**
 * Make an element. Properties named on* are listeners, those in aria-* and data-* and the like attributes,
 * the others properties. Children are nodes or text; null is left out.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A name, apart from the direction and the order of the text around it. */
export function nameOf(entity) {
  return el("bdi", { className: "name", textContent: labelOf(entity) });
}

/** What an entity is called: its name, or its id where that is blank. */
export function labelOf(entity) {
  return entity.name.trim() || entity.id;
}

/** Tell those who cannot see it what has changed. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

/** What went wrong, and what to do about it. */
export function problem(error) {
  return el(
    "div",
    { className: "problem", role: "alert" },
    el("p", { textContent: error.message }),
    error.hint ? el("p", { className: "muted", textContent: error.hint }) : null,
  );
}

/** Entity types as people say them; "y" is the one ending that plain English changes. */
export function plural(type, count = 2) {
  if (count === 1) return type;
  return /[^aeiou]y$/.test(type) ? `${type.slice(0, -1)}ies` : `${type}s`;
}

export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Let the arrow keys move between the links of a list. */
export function moveByArrows(list) {
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches("a")) return;
    const links = [...list.querySelectorAll("a")];
    const next = links[links.indexOf(event.target) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
}
