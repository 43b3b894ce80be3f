/* What a step read: the events with the largest weights, one weight for each head. */

const MOST_READ = 5;

function drawRead(step) {
  const events = [...readBy(step, (origin, slot) => `${origin} ${slot}`).values()].sort(strongestFirst);
  const top = events.slice(0, MOST_READ);
  const rows = top.map(({ origin, slot, weights }) => readRow(readEvent(step, origin, slot), weights, origin));
  const nothing = allHeads.map((head) => steps[step].read[head]?.nothing ?? 0);
  // Weights that are not listed or not recorded: with them every column adds up to 100%.
  const others = nothing.map((weight, head) => Math.max(0, 1 - weight - sum(top.map(({ weights }) => weights[head]))));
  if (top.length && others.some((weight) => weight >= 0.01)) rows.push(readRow("all other events", others));
  if (!top.length || nothing.some((weight) => weight > 0)) rows.push(readRow("no stored event", nothing));
  byId("read").querySelector("tbody").replaceChildren(...rows);
}

function readRow(name, weights, origin = null) {
  const numbers = weights.map((weight, head) => {
    const kind = headsShown.has(head) ? "weight" : "weight muted";
    return make("td", { class: kind }, percent(weight), bar(0, Math.min(1, weight), headColor(head)));
  });
  return make("tr", { "data-event": origin }, make("td", {}, name), ...numbers);
}

function readEvent(step, origin, slot) {
  if (!isEvent(origin)) return eventName(origin);
  const age = step - origin;
  const when = age === 0 ? "now" : age === 1 ? "1 step ago" : `${age} steps ago`;
  return eventButton([origin], eventName(origin), slot >= 0 && episode.slots ? `${when}, slot ${slot}` : when);
}

if (episode.heads) views.push(drawRead);
