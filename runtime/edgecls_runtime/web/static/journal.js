// The journal, searched by time, outcome, part and reason.

import { get } from "./asking.js";
import { openDetail } from "./detail.js";
import { badge, clock, el } from "./words.js";

const $ = (id) => document.getElementById(id);
const PAGE = 50;

let query = {};
let turn = 0;

function row(verdict) {
  const place = el("tr");
  const changed = (newer) => place.replaceWith(row(newer));
  place.append(
    el("td", {}, badge(verdict.counts_as)),
    el("td", {}, el("time", { datetime: verdict.recorded_at }, clock(verdict.recorded_at))),
    el("td", {}, el("button", { type: "button", class: "link", onclick: () => openDetail(verdict, changed) }, verdict.part || "-")),
    el("td", { class: "reason" }, verdict.reason),
    el("td", {}, verdict.said),
  );
  return place;
}

async function load(before) {
  const mine = (turn += before ? 0 : 1);
  const end = $("journal-end");
  end.replaceChildren("Searching ...");
  try {
    const found = await get("/api/verdicts", { ...query, before, most: PAGE });
    if (mine !== turn) return;
    if (before) $("rows").append(...found.verdicts.map(row));
    else $("rows").replaceChildren(...found.verdicts.map(row));
    const back = found.searched_to ? `Searched back to ${clock(found.searched_to)}. ` : "";
    const more = el("button", { type: "button", onclick: () => load(found.next) }, back ? "Search further back" : "Show older");
    const none = $("rows").children.length ? "That is all." : "Nothing was found.";
    end.replaceChildren(...(found.next ? [back, more] : [none]));
  } catch (error) {
    end.replaceChildren(error.message);
  }
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  const utc = (text) => (text ? new Date(text).toISOString() : "");
  query = { ...given, since: utc(given.since), until: utc(given.until) };
  load("");
});

let isOpen = false;
export const journal = {
  show(isShown) {
    if (isShown && !isOpen) load("");
    isOpen = isShown;
  },
};
