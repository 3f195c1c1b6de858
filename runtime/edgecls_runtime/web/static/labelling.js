// The buttons that say what a part really was.

import { post } from "./asking.js";
import { known } from "./known.js";
import { el, say } from "./words.js";

// More than these become a list to choose from.
const MOST_BUTTONS = 6;

async function keep(verdict, label, done) {
  try {
    done(await post("/api/relabel", { verdict: verdict.id, label }));
    say(label ? `Part ${verdict.part}: kept as ${label}` : `Part ${verdict.part}: label taken back`);
  } catch (error) {
    say(`Not kept: ${error.message}`);
  }
}

// Returns the buttons; `done` is called with the verdict as it is then.
export function labelling(verdict, done) {
  if (!known.status?.can.relabel) return null;
  const labels = [...known.status.labels];
  if (verdict.said && !labels.includes(verdict.said)) labels.push(verdict.said);
  const choose = (label) => keep(verdict, label === verdict.said ? "" : label, done);
  const other = el("button", { type: "button", onclick: () => {
    const typed = el("input", { maxlength: 64, "aria-label": "Another label", placeholder: "Another label" });
    const form = el("form", { onsubmit: (event) => {
      event.preventDefault();
      if (typed.value.trim()) choose(typed.value.trim());
    } }, typed, el("button", {}, "Keep"));
    other.replaceWith(form);
    typed.focus();
  } }, "Other ...");
  const group = el("div", { class: "labels", role: "group", "aria-label": `Part ${verdict.part} really was` });
  if (labels.length <= MOST_BUTTONS) {
    group.append(...labels.map((label) => el("button", {
      type: "button", "aria-pressed": String(label === verdict.said), onclick: () => choose(label),
    }, label)), other);
    return group;
  }
  const list = el("select", { "aria-label": "Really was", onchange: (event) => choose(event.target.value) },
    el("option", { value: "" }, "Really was ..."),
    ...labels.map((label) => el("option", { value: label, selected: label === verdict.said }, label)));
  group.append(list, other);
  return group;
}
