// One verdict in full: its picture, its places, every figure, and what it really was.

import { labelling } from "./labelling.js";
import { badge, el, number, OUTCOMES, score, svg } from "./words.js";

const dialog = document.getElementById("detail");

function rows(verdict) {
  const ms = (value) => (value === null ? null : `${number(value)} ms`);
  return [
    ["Part", verdict.part],
    ["Recorded", new Date(verdict.recorded_at).toLocaleString("en-GB")],
    ["Answer", verdict.label === null ? null : `${verdict.label} ${score(verdict.score)}`],
    ["Camera", verdict.camera],
    ["Recipe", verdict.recipe],
    ["Bundle", verdict.bundle],
    ["Frame to verdict", ms(verdict.latency_ms)],
    ["Trigger to verdict", ms(verdict.waited_ms)],
    ["Verdict", verdict.id],
    ["Pixels (SHA-256)", verdict.image_sha256],
  ].filter(([, text]) => text);
}

function picture(verdict) {
  if (!verdict.has_image) return el("p", { class: "no-image" }, "No image of this part is kept");
  const image = el("img", { src: `/api/images/${encodeURIComponent(verdict.id)}`, alt: `Part ${verdict.part}: ${OUTCOMES[verdict.counts_as]}` });
  const box = el("div", { class: "with-outlines" }, image);
  if (verdict.looks.length) {
    image.addEventListener("load", () => {
      const [width, height] = [image.naturalWidth, image.naturalHeight];
      const thick = Math.max(width, height) / 400;
      box.append(svg("svg", { class: "outlines", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
        ...verdict.looks.map((look) => svg("polygon", {
          points: look.outline.map((corner) => corner.join(",")).join(" "), class: `is-${look.outcome}`, "stroke-width": thick,
        }))));
    });
  }
  return box;
}

export function openDetail(verdict, changed) {
  const again = (newer) => {
    changed?.(newer);
    fill(newer, again);
  };
  fill(verdict, again);
  if (!dialog.open) dialog.showModal();
}

function fill(verdict, changed) {
  const close = el("button", { type: "button", class: "close", onclick: () => dialog.close(), "aria-label": "Close" }, "Close");
  const places = verdict.looks.map((look) =>
    el("li", {}, badge(look.outcome), ` ${look.name}: ${look.label} ${score(look.score)}`));
  const labels = labelling(verdict, changed);
  dialog.replaceChildren(
    el("div", { class: "row" }, el("h2", { id: "detail-title" }, badge(verdict.counts_as), ` Part ${verdict.part}`), close),
    el("p", { class: "lead" }, verdict.reason),
    picture(verdict),
    ...(labels ? [el("h3", {}, "It really was"), labels] : []),
    ...(places.length ? [el("h3", {}, "Places"), el("ul", { class: "places" }, ...places)] : []),
    el("dl", { class: "facts" }, ...rows(verdict).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))),
  );
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
