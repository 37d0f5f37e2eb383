// Tabs, as WAI-ARIA describes them: arrow keys move between them.

import { el } from "./dom.js";

/**
 * Make a list of tabs and their panel.
 * `tabs` are {key, label}; `choose` is called with the key of another one.
 */
export function tabList(id, label, tabs, chosen, choose) {
  const panel = el("div", {
    id: `${id}-panel`,
    role: "tabpanel",
    className: "panel",
    "aria-labelledby": `${id}-${chosen}`,
  });
  const buttons = tabs.map(({ key, label: text }) =>
    el("button", {
      type: "button",
      id: `${id}-${key}`,
      role: "tab",
      textContent: text,
      tabIndex: key === chosen ? 0 : -1,
      "aria-selected": String(key === chosen),
      "aria-controls": `${id}-panel`,
      onclick: () => choose(key),
    }),
  );
  const list = el("div", { role: "tablist", className: "tabs", "aria-label": label }, buttons);
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || from < 0) return;
    event.preventDefault();
    const next = (to + buttons.length) % buttons.length;
    choose(tabs[next].key);
    // The tabs are made anew where another is chosen.
    document.getElementById(`${id}-${tabs[next].key}`)?.focus();
  });
  return { list, panel };
}
