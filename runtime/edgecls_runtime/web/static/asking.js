// Asks the station, and says in one line what went wrong.

async function answered(request) {
  const answer = await request;
  if (answer.status === 401) {
    location.reload();
    throw new Error("signed out");
  }
  const table = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(table.error ?? table.text ?? `answer ${answer.status}`);
  return table;
}

export const get = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null);
  const text = new URLSearchParams(given).toString();
  return answered(fetch(text ? `${path}?${text}` : path));
};

export const post = (path, table) =>
  answered(fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(table),
  }));
