// The page: which view is shown, what the station says of itself, and whether it says anything.

import { post } from "./asking.js";
import { openChange } from "./change.js";
import { showFigures } from "./figures.js";
import { gallery } from "./gallery.js";
import { journal } from "./journal.js";
import { known } from "./known.js";
import { live } from "./live.js";
import { trend } from "./trend.js";
import { clock, say } from "./words.js";

const $ = (id) => document.getElementById(id);
const VIEWS = { live, gallery, journal };
// The station speaks each second; after so long what is shown may be old.
const SILENT_MS = 4000;

let heardAt = performance.now();
let lostSince = null;

function showView() {
  const wanted = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "live";
  for (const [name, view] of Object.entries(VIEWS)) {
    $(`view-${name}`).hidden = name !== wanted;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    view.show(name === wanted && !document.hidden);
  }
  trend.show(wanted === "live" && !document.hidden);
}

function heard(status) {
  heardAt = performance.now();
  if (lostSince !== null) {
    lostSince = null;
    $("lost").hidden = true;
    document.body.classList.remove("is-lost");
  }
  known.status = status;
  const name = status.station || "Station";
  $("station").textContent = name;
  document.title = `${name} - edgecls`;
  $("connection").textContent = { ok: "Running", warning: "Running, with a warning", fault: "Running, with a fault" }[status.state];
  $("connection").dataset.state = status.state;
  $("sign-out").hidden = !status.can.sign_out;
  $("change").hidden = !status.can.change;
  showFigures(status);
  live.cameras(status.cameras);
}

function watch() {
  if (performance.now() - heardAt < SILENT_MS) return;
  if (lostSince === null) {
    lostSince = new Date();
    document.body.classList.add("is-lost");
    $("connection").textContent = "No connection";
    $("connection").dataset.state = "fault";
    $("lost").textContent = `No connection to the station since ${clock(lostSince)}. What you see is old.`;
    $("lost").hidden = false;
  }
  if (stream?.readyState !== EventSource.CLOSED) return;
  // Perhaps it speaks, and not to us any more.
  fetch("/login/state").then((answer) => answer.json()).then(
    (state) => (state.signed_in ? listen() : location.reload()),
    () => listen(),
  );
}

let stream;
function listen() {
  stream?.close();
  stream = new EventSource("/api/events?verdicts=0");
  stream.addEventListener("status", (event) => heard(JSON.parse(event.data)));
  stream.addEventListener("end", () => { stream.close(); });
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function nameTheme() {
  $("theme").textContent = isDark() ? "Light" : "Dark";
}

$("theme").addEventListener("click", () => {
  const wanted = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = wanted;
  localStorage.setItem("theme", wanted);
  nameTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
$("sign-out").addEventListener("click", async () => {
  try {
    await post("/logout", {});
    location.replace("/login");
  } catch (error) {
    say(`Not signed out: ${error.message}`);
  }
});
$("change").addEventListener("click", openChange);
addEventListener("hashchange", showView);
document.addEventListener("visibilitychange", showView);
nameTheme();
showView();
listen();
setInterval(watch, 1000);
