// The newest judged frame with its verdict. Picture and word always belong to the same part.

import { el, number, OUTCOMES, score, shape, svg, ago } from "./words.js";

const $ = (id) => document.getElementById(id);
// A screen reader is told of what does not pass, not more often than this.
const SPOKEN_MS = 5000;
const RETRY_MS = 1000;

let camera = null;
let seen = { run: "", number: 0 };
let asking = null;
let shownAt = 0;
let wasAgo = 0;
let spokenAt = 0;

function facts(verdict) {
  const rows = [
    ["Part", verdict.part || "-"],
    verdict.label === null ? null : ["Answer", `${verdict.label} ${score(verdict.score)}`],
    verdict.latency_ms === null ? null : ["Frame to verdict", `${number(Math.round(verdict.latency_ms * 10) / 10)} ms`],
    verdict.camera ? ["Camera", verdict.camera] : null,
    verdict.recipe ? ["Recipe", verdict.recipe] : null,
  ];
  return rows.filter(Boolean).flatMap(([name, text]) => [el("div", {}, el("dt", {}, name), el("dd", {}, text))]);
}

function outlines(verdict, size) {
  const place = $("outlines");
  place.replaceChildren();
  if (!size) return;
  const [width, height] = size;
  place.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const thick = Math.max(width, height) / 320;
  // Also on a phone a name can be read.
  const letter = Math.max(7.5 * thick, (13 * width) / Math.max(place.clientWidth, 1));
  for (const look of verdict.looks) {
    const points = look.outline.map((corner) => corner.join(",")).join(" ");
    place.append(
      svg("polygon", { points, class: "halo", "stroke-width": 2.2 * thick }),
      svg("polygon", { points, class: `is-${look.outcome}`, "stroke-width": 1.2 * thick }),
    );
    const [left, top] = [0, 1].map((axis) => Math.min(...look.outline.map((corner) => corner[axis])));
    const text = svg("text", { x: left + 3 * thick, y: top + 1.2 * letter, "font-size": letter, class: `is-${look.outcome}` });
    text.textContent = `${look.name} ${OUTCOMES[look.outcome]}`;
    place.append(text);
  }
}

async function picture(blob, size) {
  const canvas = $("picture");
  $("no-picture").hidden = Boolean(blob);
  canvas.classList.toggle("is-old", !blob);
  if (!blob) {
    $("no-picture").textContent = "No picture of this part";
    return;
  }
  const bitmap = await createImageBitmap(blob);
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    $("frame").style.aspectRatio = `${size[0]} / ${size[1]}`;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

function word(verdict) {
  const outcome = verdict.counts_as;
  $("verdict").className = `verdict card is-${outcome}`;
  $("word-shape").replaceChildren(shape(outcome));
  $("word").textContent = OUTCOMES[outcome].toUpperCase();
  $("reason").textContent = verdict.reason;
  $("facts").replaceChildren(...facts(verdict), el("div", {}, el("dt", {}, "Judged"), el("dd", { id: "judged" }, "just now")));
  $("picture").setAttribute("aria-label", `Frame of part ${verdict.part}: ${OUTCOMES[outcome]}, ${verdict.reason}`);
  shownAt = performance.now();
  wasAgo = verdict.recorded_at ? Math.max((Date.now() - new Date(verdict.recorded_at)) / 1000, 0) : 0;
  // Clocks of browser and station differ; a few seconds say nothing.
  if (wasAgo < 15) wasAgo = 0;
  if (outcome !== "pass" && performance.now() - spokenAt > SPOKEN_MS) {
    spokenAt = performance.now();
    $("spoken").textContent = `${OUTCOMES[outcome]}: part ${verdict.part}, ${verdict.reason}`;
  }
}

async function next(signal) {
  const query = new URLSearchParams({ after: seen.number });
  if (camera !== null) query.set("camera", camera);
  const answer = await fetch(`/api/live?${query}`, { signal });
  if (answer.status === 401) location.reload();
  if (answer.status === 204) return;
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  const form = await answer.formData();
  const table = JSON.parse(await (form.get("verdict").text?.() ?? form.get("verdict")));
  seen = { run: table.run, number: table.number };
  await picture(form.get("picture"), table.frame_px);
  outlines(table.verdict, table.frame_px);
  word(table.verdict);
}

async function look(signal) {
  while (!signal.aborted) {
    try {
      await next(signal);
    } catch {
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

setInterval(() => {
  const place = $("judged");
  if (place) place.textContent = ago(wasAgo + (performance.now() - shownAt) / 1000);
}, 1000);

export const live = {
  show(isShown) {
    if (isShown === Boolean(asking)) return;
    asking?.abort();
    asking = isShown ? new AbortController() : null;
    if (asking) look(asking.signal);
  },
  cameras(names) {
    const place = $("cameras");
    place.hidden = names.length < 2;
    if (place.hidden || place.dataset.names === names.join("\n")) return;
    place.dataset.names = names.join("\n");
    const choose = (name) => (event) => {
      camera = name;
      seen = { run: "", number: 0 };
      for (const other of place.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
      asking?.abort();
      asking = new AbortController();
      look(asking.signal);
    };
    place.replaceChildren(...[null, ...names].map((name) =>
      el("button", { type: "button", "aria-pressed": String(name === camera), onclick: choose(name) }, name ?? "Newest")));
  },
};
