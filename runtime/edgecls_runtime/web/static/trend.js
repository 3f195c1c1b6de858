// Yield over time: how many of a hundred parts passed, and what became of the others.

import { get } from "./asking.js";
import { el, number, svg } from "./words.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const [TOP, MIDDLE, BOTTOM, LEFT, RIGHT] = [8, 132, 196, 44, 8];
const HEIGHT = 218;
const OTHERS = ["fail", "review", "missed", "error"];

let hours = 8;
let timer = null;
let found = null;

const total = (point) => ["pass", ...OTHERS].reduce((sum, name) => sum + (point[name] ?? 0), 0);
const time = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const percent = (value) => `${(100 * value).toFixed(value > 0.995 && value < 1 ? 2 : 1)} %`;

function floorOf(points) {
  const least = Math.min(...points.map((point) => point.share));
  return Math.max(Math.floor((least - 0.02) * 10) / 10, 0);
}

function words(points) {
  if (!points.length) return `No part was judged in the last ${hours} h.`;
  const parts = points.reduce((sum, point) => sum + point.total, 0);
  const passed = points.reduce((sum, point) => sum + (point.pass ?? 0), 0);
  const worst = points.reduce((least, point) => (point.share < least.share ? point : least));
  return `${percent(passed / parts)} of ${number(parts)} parts passed in the last ${hours} h; lowest ${percent(worst.share)} at ${time(worst.at)}.`;
}

function axes(chart, floor, width, from, to) {
  for (const share of [floor, (floor + 1) / 2, 1]) {
    const y = MIDDLE - ((share - floor) / (1 - floor)) * (MIDDLE - TOP);
    const label = svg("text", { x: LEFT - 8, y: y + 4, class: "end" });
    label.textContent = `${Math.round(100 * share)} %`;
    chart.append(svg("path", { class: "grid", d: `M${LEFT} ${y}H${width - RIGHT}` }), label);
  }
  chart.append(svg("path", { class: "grid", d: `M${LEFT} ${BOTTOM}H${width - RIGHT}` }));
  const steps = width < 480 ? 2 : 4;
  for (let step = 0; step <= steps; step += 1) {
    const at = from + ((to - from) * step) / steps;
    const x = LEFT + ((width - LEFT - RIGHT) * step) / steps;
    const label = svg("text", { x, y: HEIGHT - 4, class: step === 0 ? "start" : step === steps ? "end" : "middle" });
    label.textContent = step === steps ? "now" : time(at);
    chart.append(label);
  }
}

function bars(chart, point, x, wide, most) {
  let y = BOTTOM;
  for (const name of OTHERS) {
    const count = point[name] ?? 0;
    if (!count) continue;
    const high = (count / most) * (BOTTOM - MIDDLE - 14);
    y -= high;
    chart.append(svg("rect", { class: `is-${name}`, x: x - wide / 2, y, width: wide, height: high }));
  }
}

function draw() {
  const place = $("chart");
  const width = Math.round(place.clientWidth);
  if (!found || !width) return;
  const from = new Date(found.since).getTime();
  const to = Math.max(Date.now(), from + 1);
  const step = found.step_min * 60_000;
  const points = found.points
    .map((point) => ({ ...point, total: total(point) }))
    .filter((point) => point.total)
    .map((point) => ({ ...point, share: (point.pass ?? 0) / point.total }));
  $("yield-words").textContent = words(points);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": words(points) });
  const floor = points.length ? floorOf(points) : 0;
  axes(chart, floor, width, from, to);
  const xOf = (point) => Math.min(LEFT + ((new Date(point.at).getTime() + step / 2 - from) / (to - from)) * (width - LEFT - RIGHT), width - RIGHT);
  const wide = Math.max((step / (to - from)) * (width - LEFT - RIGHT) * 0.7, 2);
  const most = Math.max(...points.map((point) => point.total - (point.pass ?? 0)), 1);
  let line = "";
  let last = null;
  for (const point of points) {
    const x = xOf(point);
    const y = MIDDLE - ((point.share - floor) / (1 - floor)) * (MIDDLE - TOP);
    // A gap in which nothing was judged is no line.
    line += `${last !== null && new Date(point.at) - last <= 2 * step ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = new Date(point.at);
    bars(chart, point, x, wide, most);
    chart.append(svg("circle", { class: "dot", cx: x, cy: y, r: points.length > 60 ? 1.6 : 2.4 }));
  }
  chart.append(svg("path", { class: "line", d: line }));
  place.replaceChildren(chart, legend(), tip(chart, points, xOf));
}

function legend() {
  const names = { fail: "Fail", review: "Review", missed: "Missed", error: "Error" };
  return el("p", { class: "legend", "aria-hidden": "true" }, el("span", { class: "is-line" }, "Yield"),
    ...Object.entries(names).map(([key, name]) => el("span", { class: `is-${key}` }, name)));
}

function tip(chart, points, xOf) {
  const place = el("p", { class: "tip", hidden: true });
  const show = (event) => {
    const x = event.clientX - chart.getBoundingClientRect().left;
    const near = points.reduce((best, point) => (!best || Math.abs(xOf(point) - x) < Math.abs(xOf(best) - x) ? point : best), null);
    if (!near) return;
    const others = OTHERS.filter((name) => near[name]).map((name) => `${near[name]} ${name}`);
    place.textContent = `${time(near.at)}: ${percent(near.share)} of ${near.total}${others.length ? `; ${others.join(", ")}` : ""}`;
    place.hidden = false;
    place.style.left = `${Math.min(Math.max(xOf(near), 90), chart.clientWidth - 90)}px`;
  };
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerleave", () => { place.hidden = true; });
  return place;
}

async function refresh() {
  try {
    found = await get("/api/trend", { hours });
    draw();
  } catch (error) {
    $("yield-words").textContent = error.message;
  }
}

$("hours").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  hours = Number(button.dataset.hours);
  for (const other of $("hours").children) other.setAttribute("aria-pressed", String(other === button));
  refresh();
});
new ResizeObserver(() => draw()).observe($("chart"));

export const trend = {
  show(isShown) {
    clearInterval(timer);
    timer = null;
    if (!isShown) return;
    refresh();
    timer = setInterval(refresh, REFRESH_MS);
  },
};
