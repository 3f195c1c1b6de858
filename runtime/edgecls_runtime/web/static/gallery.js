// Pictures of what did not pass, newest first, to be looked at and relabelled.

import { get } from "./asking.js";
import { openDetail } from "./detail.js";
import { labelling } from "./labelling.js";
import { badge, clock, el, OUTCOMES } from "./words.js";

const $ = (id) => document.getElementById(id);
const PAGE = 24;

let outcome = "fail,review";
let turn = 0;

function card(verdict) {
  const place = el("li", { class: "tile card" });
  const changed = (newer) => place.replaceWith(card(newer));
  const picture = verdict.has_image
    ? el("img", { src: `/api/images/${encodeURIComponent(verdict.id)}?size=small`, alt: "", loading: "lazy" })
    : el("span", { class: "no-image" }, "No image kept");
  place.append(
    el("button", { type: "button", class: "open", "aria-label": `${OUTCOMES[verdict.counts_as]}, part ${verdict.part}: open`, onclick: () => openDetail(verdict, changed) }, picture),
    el("div", { class: "row" }, badge(verdict.counts_as), el("time", { datetime: verdict.recorded_at, class: "muted" }, clock(verdict.recorded_at))),
    el("p", { class: "part" }, verdict.part),
    el("p", { class: "muted" }, verdict.reason),
    labelling(verdict, changed) ?? "",
  );
  return place;
}

async function load(before) {
  const mine = (turn += before ? 0 : 1);
  const end = $("gallery-end");
  end.replaceChildren("Looking ...");
  try {
    const found = await get("/api/verdicts", { outcome, before, most: PAGE });
    if (mine !== turn) return;
    const cards = found.verdicts.map(card);
    if (before) $("cards").append(...cards);
    else $("cards").replaceChildren(...cards);
    end.replaceChildren(found.next
      ? el("button", { type: "button", onclick: () => load(found.next) }, "Show older")
      : $("cards").children.length ? "That is all." : "Nothing here: no part failed or went to review.");
  } catch (error) {
    end.replaceChildren(error.message);
  }
}

$("kinds").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  outcome = button.dataset.outcome;
  for (const other of $("kinds").children) other.setAttribute("aria-pressed", String(other === button));
  load("");
});

let isOpen = false;
export const gallery = {
  show(isShown) {
    if (isShown && !isOpen) load("");
    isOpen = isShown;
  },
};
