/* The memory: what each slot holds when a step reads it, and how much every head reads from it. */

const MOST_EMPTY = 256; // slots, from which empty ones are only counted
const nothingHeld = new Int32Array(episode.slots).fill(-1);
const held = heldAfterEveryStep();
const cells = new Map(); // from a slot to its button

/**
 * For every step, the step whose event each slot holds after it (-1: none).
 * A weak write changes a slot but does not take it over: the slot shows the write of which most is left.
 */
function heldAfterEveryStep() {
  const share = new Float64Array(episode.slots);
  let current = nothingHeld;
  return steps.map(({ written }, step) => {
    if (written.length) current = current.slice();
    for (const [slot, strength] of written) {
      const left = share[slot] * (1 - strength);
      if (strength > 0 && strength >= left) current[slot] = step;
      share[slot] = Math.max(strength, left);
    }
    return current;
  });
}

const heldWhenRead = (step) => (episode.reads_before_writing ? held[step - 1] ?? nothingHeld : held[step]);

function buildMemory() {
  const all = [...nothingHeld.keys()];
  const used = new Set(steps.flatMap(({ written }) => written.map(([slot]) => slot)));
  const slots = all.length > MOST_EMPTY ? all.filter((slot) => used.has(slot)) : all;
  for (const slot of slots) cells.set(slot, make("button", { type: "button", class: "slot", "data-slot": slot }));
  byId("slots").style.setProperty("--cell", slots.length <= 80 ? "clamp(1.9rem, 2.1vw, 3rem)" : "1.5rem");
  byId("slots").replaceChildren(...cells.values());
  const hints = ["Dashed: written at this step.", "Click a slot to go to the step that wrote it."];
  if (episode.heads) hints.unshift("Outlined: read at this step.");
  if (slots.length < all.length) hints.push(`${all.length - slots.length} more slots stay empty.`);
  byId("memory-hint").textContent = hints.join(" ");
}

byId("heads").addEventListener("change", ({ target }) => {
  if (target.checked) headsShown.add(Number(target.value));
  else headsShown.delete(Number(target.value));
  drawTracks();
  show(now);
});

function drawMemory(step) {
  const origins = heldWhenRead(step);
  const read = readBy(step, (_, slot) => slot);
  const written = new Map(steps[step].written);
  byId("memory-filled").textContent = `${origins.filter((origin) => origin >= 0).length} of ${episode.slots} slots`;
  for (const [slot, cell] of cells) {
    const weights = read.get(slot)?.weights ?? [];
    const [origin, readers] = [origins[slot], readersInWords(weights)];
    if (cell.dataset.go !== String(origin)) cell.replaceChildren(...(origin < 0 ? [] : [thumbnail(origin)]));
    cell.dataset.go = origin;
    cell.disabled = origin < 0;
    cell.style.boxShadow = rings(weights);
    cell.classList.toggle("read", cell.style.boxShadow !== "");
    cell.classList.toggle("written", written.get(slot) >= 0.5);
    cell.title = `slot ${slot}: ${origin < 0 ? "empty" : eventName(origin)}${readers ? `; read by ${readers}` : ""}`;
    cell.ariaLabel = cell.title;
  }
}

/** One ring for each head, as thick as its weight. */
function rings(weights) {
  const widest = Math.min(4.5, 12 / episode.heads);
  let edge = 0;
  return weights
    .flatMap((weight, head) => {
      if (weight < 0.02 || !headsShown.has(head)) return [];
      edge += Math.max(1, weight * widest);
      return [`0 0 0 ${edge.toFixed(2)}px ${headColor(head)}`];
    })
    .join(", ");
}

if (episode.slots) {
  buildMemory();
  views.push(drawMemory);
}
