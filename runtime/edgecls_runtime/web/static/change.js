// Changes the recipe, or the bundle, between two parts.

import { get, post } from "./asking.js";
import { el, say } from "./words.js";

const dialog = document.getElementById("changing");

function choices(name, title, now, all, path) {
  const form = el("form", {},
    el("fieldset", {}, el("legend", {}, title),
      ...all.map((one) => el("label", { class: "option" },
        el("input", { type: "radio", name, value: one, checked: one === now }), one, one === now ? el("small", {}, " in use") : ""))),
    el("button", { class: "main" }, "Judge with it from the next part on"),
    el("p", { role: "status", class: "answer" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = new FormData(form).get(name);
    if (!wanted || wanted === now) {
      form.querySelector(".answer").textContent = "That is in use already.";
      return;
    }
    const button = form.querySelector("button");
    button.disabled = true;
    form.querySelector(".answer").textContent = "Opening and proving it; parts go on being judged ...";
    try {
      const answer = await post(path, { [name]: wanted });
      say(answer.text);
      dialog.close();
    } catch (error) {
      form.querySelector(".answer").textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

export async function openChange() {
  try {
    const [recipe, bundle] = await Promise.all([get("/api/recipe"), get("/api/bundle")]);
    const parts = [];
    if (recipe.recipes.length) parts.push(choices("recipe", "Recipe", recipe.recipe, recipe.recipes, "/api/recipe"));
    if (bundle.bundles.length) parts.push(choices("bundle", "Bundle", bundle.folder, bundle.bundles, "/api/bundle"));
    dialog.replaceChildren(
      el("div", { class: "row" }, el("h2", { id: "changing-title" }, "Judged by"),
        el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
      ...(parts.length ? parts : [el("p", {}, "There is nothing else to judge with.")]),
    );
    dialog.showModal();
  } catch (error) {
    say(error.message);
  }
}
