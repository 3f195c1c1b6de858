// The figures of the station: the balance of its parts, latency, health, what judges.

import { el, number, OUTCOMES, shape, svg } from "./words.js";

const $ = (id) => document.getElementById(id);
const SIGNS = { ok: "pass", warning: "warning", fault: "fail" };
const STATES = { ok: "OK", warning: "Warning", fault: "Fault" };
const PARTS = ["pass", "fail", "review", "missed", "error"];

// Writing what stands there already would make screen readers read it again.
function replace(place, key, make) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...make());
}

function balance(found) {
  const term = (name, value, sign, outcome) =>
    el("li", { class: outcome ? `is-${outcome}` : null },
      el("span", { class: "sign", "aria-hidden": "true" }, sign),
      el("span", { class: "value" }, number(value)),
      el("span", { class: "name" }, outcome ? shape(outcome) : "", name));
  replace($("balance"), JSON.stringify(found), () => [
    term("Triggers", found.triggers, "", null),
    ...PARTS.map((name, index) => term(OUTCOMES[name], found[name], index ? "+" : "=", name)),
    term("Waiting", found.waiting, "+", "none"),
  ]);
  const text = found.is_balanced ? "every part is accounted for" : "does not balance";
  $("balanced").textContent = text + (found.incidents ? `; ${found.incidents} incidents` : "");
  $("balanced").dataset.state = found.is_balanced ? "ok" : "fault";
}

function health(found) {
  replace($("health"), JSON.stringify(found), () => found.map((one) =>
    el("li", { class: `is-${one.state}` },
      svg("svg", { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("use", { href: `#shape-${SIGNS[one.state]}` })),
      el("span", { class: "name" }, `${one.kind} ${one.name}`.trim()),
      el("span", { class: "state" }, STATES[one.state]),
      el("span", { class: "text" }, one.text))));
}

function judging(status) {
  const rows = [
    ["Bundle", status.bundle || "-"],
    ["Recipe", status.recipe || "the station's own rule"],
    ["Provider", [status.provider, status.placement].filter(Boolean).join(", ") || "-"],
    ["Running since", status.started_at ? new Date(status.started_at).toLocaleString("en-GB") : "-"],
  ];
  replace($("judging"), JSON.stringify(rows), () =>
    rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))));
}

function latency(found) {
  replace($("latency"), JSON.stringify(found), () => Object.entries(found).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value === null ? "-" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`))));
}

export function showFigures(status) {
  balance(status.balance);
  health(status.health);
  judging(status);
  latency(status.latency_ms);
}
