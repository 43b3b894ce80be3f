/* What a step read: the events that weigh most, with one weight a head. */

const ROWS = 5;

function buildRead() {
  if (!episode.heads) {
    byId("read-hint").textContent = "This memory does not read events that could be named.";
    return;
  }
  const names = Array.from({ length: episode.heads }, (_, head) => make("th", { scope: "col" }, swatch(head), `head ${head + 1}`));
  byId("read").querySelector("thead").replaceChildren(make("tr", {}, make("th", { scope: "col" }, "event"), ...names));
}

function drawRead(step) {
  if (!episode.heads) return;
  const events = [...readBy(step, (origin, slot) => `${origin} ${slot}`).values()].sort((one, other) => other.total - one.total);
  const top = events.slice(0, ROWS);
  const nothing = Array.from({ length: episode.heads }, (_, head) => steps[step].read[head]?.nothing ?? 0);
  // Whatever is not listed, be it further down or left out of a sparse record: every column adds up.
  const others = nothing.map((weight, head) => Math.max(0, 1 - weight - top.reduce((total, { weights }) => total + weights[head], 0)));
  const rows = top.map(({ origin, slot, weights }) => readRow(eventCell(step, origin, slot), weights, origin));
  if (top.length && others.some((weight) => weight >= 0.01)) rows.push(readRow(make("td", {}, "all other events"), others));
  if (!top.length || nothing.some((weight) => weight > 0)) rows.push(readRow(make("td", {}, "nothing is recalled"), nothing));
  byId("read").querySelector("tbody").replaceChildren(...rows);
}

function readRow(name, weights, origin = null) {
  const numbers = weights.map((weight, head) =>
    make("td", { class: headsShown.has(head) ? "weight" : "weight muted" }, percent(weight), bar(weight, headColor(head))),
  );
  return make("tr", { "data-event": origin }, name, ...numbers);
}

function eventCell(step, origin, slot) {
  if (!isEvent(origin)) return make("td", {}, eventName(origin));
  const age = step - origin;
  const where = age === 0 ? "now" : age === 1 ? "1 step ago" : `${age} steps ago`;
  const button = make(
    "button",
    { type: "button", class: "event", title: "Go to the step that stored it" },
    thumbnail(origin),
    make(
      "span",
      {},
      make("span", { class: "name" }, eventName(origin)),
      make("span", { class: "aside" }, slot >= 0 && episode.slots ? `${where}, slot ${slot}` : where),
    ),
  );
  button.addEventListener("click", () => jump(origin));
  return make("td", {}, button);
}

buildRead();
views.push(drawRead);
