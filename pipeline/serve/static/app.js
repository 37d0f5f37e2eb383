// The page: who is asked, and what is shown when the address or the run changes.

import { ask } from "./api.js";
import { el, problem } from "./dom.js";
import { refreshTaste } from "./lists.js";
import { offerTypes, startSearch } from "./search.js";
import { followLinks, readState } from "./state.js";
import { showTaste } from "./taste.js";
import { showView } from "./view.js";

/** Between two looks whether another run has been published, while the page is seen. */
const CHECK_MILLISECONDS = 15_000;

let run = null;
let viewed = null;

function show() {
  const state = readState();
  document.body.classList.toggle("has-taste", state.likes.length + state.dislikes.length > 0);
  const looked = JSON.stringify([state.at, state.list, run.run]);
  if (looked !== viewed) {
    // What could not be shown is tried again when it is asked for again.
    showView(run).then((done) => { if (!done && viewed === looked) viewed = null; });
  }
  viewed = looked;
  refreshTaste(document);
  showTaste(run);
}

async function load() {
  const answer = await ask("entities");
  if (run?.run === answer.run) return;
  const first = run === null;
  run = answer;
  document.getElementById("run-name").textContent = run.name || "cfpipe";
  document.getElementById("run-date").textContent = run.date;
  offerTypes(run.entities.toSorted(usersLast));
  if (first) startSearch();
  else dispatchEvent(new Event("runchange"));
  show();
}

const usersLast = (a, b) => (a.name === "user") - (b.name === "user");

async function start() {
  try {
    await load();
  } catch (error) {
    const heading = el("h1", { className: "hidden", textContent: "Nothing can be shown yet" });
    document.getElementById("main").replaceChildren(el("section", { className: "card" }, heading, problem(error)));
  }
}

followLinks();
addEventListener("statechange", () => { if (run) show(); });
setInterval(() => { if (!document.hidden) (run ? load().catch(() => {}) : start()); }, CHECK_MILLISECONDS);
start();
