// Signs in: with a token, with name and password, or with the link that the station prints.

const trouble = document.getElementById("trouble");

async function signIn(shown) {
  trouble.textContent = "";
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(shown),
  }).catch(() => null);
  const table = answer ? await answer.json().catch(() => ({})) : {};
  if (answer?.ok) {
    location.replace("/" + (location.pathname === "/" ? location.hash : ""));
    return;
  }
  trouble.textContent = !answer
    ? "The station does not answer."
    : answer.status === 401
      ? "That is wrong, or was used already."
      : `Not signed in: ${table.error ?? answer.status}`;
}

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    signIn(Object.fromEntries(new FormData(form)));
  });
}

const link = location.hash.match(/^#link=(.+)$/)?.[1];
const state = await fetch("/login/state").then((answer) => answer.json(), () => ({ ways: [] }));
if (state.signed_in && !link) {
  // As when a link of another site led here: the browser showed our cookie only now.
  location.replace("/" + (location.pathname === "/" ? location.hash : ""));
}
document.getElementById("by-token").hidden = !state.ways.includes("token");
document.getElementById("by-password").hidden = !state.ways.includes("password");
document.getElementById("by-link").hidden = state.ways.length > 0;
document.querySelector("form:not([hidden]) input")?.focus();
if (link) {
  history.replaceState(null, "", "/login");
  signIn({ link });
}
