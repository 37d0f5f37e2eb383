// What is shown is what the address says: it can be shared, and the back button works.
//
//   at=type:id        the entity that is looked at
//   list=type|map     what is listed beside it
//   like, dislike     the taste, type:id each
//   for=type          what is recommended to the taste

export function readState() {
  const query = new URLSearchParams(location.search);
  return {
    at: query.get("at"),
    list: query.get("list"),
    likes: query.getAll("like"),
    dislikes: query.getAll("dislike"),
    recommend: query.get("for"),
  };
}

export function addressOf(state) {
  const query = new URLSearchParams();
  if (state.at) query.set("at", state.at);
  if (state.list) query.set("list", state.list);
  for (const reference of state.likes) query.append("like", reference);
  for (const reference of state.dislikes) query.append("dislike", reference);
  if (state.recommend) query.set("for", state.recommend);
  // Colons and slashes may stand in a query: addresses stay readable.
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text ? `/?${text}` : "/";
}

/** The address that differs from what is shown now in some parts. */
export function addressWith(changes) {
  return addressOf({ ...readState(), ...changes });
}

/** Show something else; `replace` where it is no step that people would go back from. */
export function go(changes, { replace = false } = {}) {
  const address = addressWith(changes);
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  dispatchEvent(new Event("statechange"));
}

/** Follow links of the page without loading it anew. */
export function followLinks() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-link]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    dispatchEvent(new Event("statechange"));
    // As a page loaded anew: from the top, which is where the keyboard goes on.
    document.getElementById("main").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  });
  addEventListener("popstate", () => dispatchEvent(new Event("statechange")));
}

/** Like, dislike, or neither. */
export function rate(reference, rating) {
  const state = readState();
  const without = (references) => references.filter((other) => other !== reference);
  go({
    likes: [...without(state.likes), ...(rating === "like" ? [reference] : [])],
    dislikes: [...without(state.dislikes), ...(rating === "dislike" ? [reference] : [])],
  });
}
