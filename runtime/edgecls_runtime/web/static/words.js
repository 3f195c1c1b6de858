// Words, shapes and times: what an outcome is called and looks like, everywhere on the page.

export const OUTCOMES = {
  pass: "Pass",
  fail: "Fail",
  review: "Review",
  missed: "Missed",
  error: "Error",
  incident: "Incident",
};

// Builds an element: strings become text, never markup.
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function shape(outcome) {
  return svg("svg", { class: "shape", "aria-hidden": "true", viewBox: "0 0 24 24" },
    svg("use", { href: `#shape-${outcome in OUTCOMES ? outcome : "none"}` }));
}

export function badge(outcome) {
  return el("span", { class: `badge is-${outcome}` }, shape(outcome), OUTCOMES[outcome] ?? outcome);
}

export const number = (value) => value.toLocaleString("en-GB").replaceAll(",", "\u2009");

export function clock(at) {
  const time = at ? new Date(at) : new Date();
  const text = time.toLocaleTimeString("en-GB");
  const today = time.toDateString() === new Date().toDateString();
  return today ? text : `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${text}`;
}

export function ago(seconds) {
  if (seconds < 2) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

export const score = (value) => (value === null || value === undefined ? "" : value.toFixed(3));

let toast;
export function say(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(toast);
  toast = setTimeout(() => { place.hidden = true; }, 6000);
}
