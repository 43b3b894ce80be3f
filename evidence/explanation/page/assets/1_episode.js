"use strict";
/* What the other scripts of the page share: the episode, small helpers, and `show`, which moves everything to a step.

The episode is the JSON in the page:
  title, env, memory, controller, run, command, checkpoint, layout: text; git_commit: text or null
  texts: what there is to read at every step, such as the mission, by the key of the observation
  episode, seed, length, return: numbers; success: true, false or null; notes: list of text
  action_names: names of discrete actions, or null; heads, slots: numbers of read heads and of slots
  likelihood: "probability" or, for continuous actions, "log density"; replaces: whether events can be replaced
  reads_before_writing: whether an event can be read only from the next step on
  images: list of "data:image/png;base64,…"; elsewhere a picture is an index into it, or null
  steps: one object for each step,
    world: picture of the whole scene or null; seen: picture of the observation, which is stored if there is a write
    caption: text; action, probabilities (or null), value, reward
    cue: whether it is in sight, or null; gate: 0 to 1, or null
    written: [[slot, strength], …]; occupancy: share of the slots that are filled
    read: for each head {nothing: weight that came from no event, from: [[step of the event, slot, weight], …]}
    instead: the observation that replaces this one, {seen, caption, source}, or null
  least_change: of the likelihood, from which a step is a decision; left_out: steps of decisions that are not listed
  tried_alone: [how many events were edited one by one, of how many], or null if there is no memory
  decisions: in order, {step, action, likelihood, effects, tried, control}; tried: number of sets of events, of which
    the effects are the strongest; an effect is that of editing a set of events,
    steps: which; label: text; group: whether they are of one kind; shows_cue: true, false or null
    deleted, and replaced or null: {likelihood: of the same action, likelihood_change, value_change, action_after}
  control: effects of random other events, as many as the first effect has, or null; events: how many; draws: how often
    deleted, and replaced or null: {likelihood_change: [mean size, largest], value_change, other_action: how often} */

const episode = JSON.parse(document.getElementById("explanation").textContent);
const { steps, decisions } = episode;
const lastStep = steps.length - 1;
const allHeads = [...Array(episode.heads).keys()];
const headsShown = new Set(allHeads);

/** Functions of the step, each of which draws one part of the page. */
const views = [];
let now = 0;

/** Move film, memory, reads and time line to a step: nothing else moves any of them. */
function show(step) {
  if (lastStep < 0) return;
  now = Math.min(Math.max(Math.round(step), 0), lastStep);
  for (const view of views) view(now);
}

const byId = (id) => document.getElementById(id);

/** Make an element; text is set as text, never as HTML. Attributes that are null or false are left out. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if ((value ?? false) !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const isNumber = (value) => typeof value === "number";
const fixed = (value) => (isNumber(value) ? value.toFixed(2) : "–");
const percent = (share) => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);
const headColor = (head) => `var(--head-${head % 7})`;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function signed(value) {
  if (Math.abs(value) < 0.005) return "0.00";
  return value < 0 ? `−${fixed(-value)}` : `+${fixed(value)}`;
}

function actionName(action) {
  const numberText = (part) => (Number.isInteger(part) ? part : fixed(part));
  if (Array.isArray(action)) return `(${action.map(numberText).join(", ")})`;
  return episode.action_names?.[action] ?? String(action);
}

/** Whether the step that wrote an event is known: a memory may also hold what was written before the episode. */
const isEvent = (step) => Number.isInteger(step) && step >= 0 && step <= lastStep;

function eventName(step) {
  if (!isEvent(step)) return "before the episode";
  return steps[step].caption ? `step ${step}, ${steps[step].caption}` : `step ${step}`;
}

/** Show a picture in an element, or mark it as missing. */
function setPicture(holder, index, text) {
  const source = episode.images[index] ?? "";
  const usable = source.startsWith("data:image/");
  holder.dataset.picture = usable ? index : "none";
  if (!usable) {
    holder.replaceChildren(make("span", { class: "no-picture", role: "img", "aria-label": `no picture: ${text}` }));
    return;
  }
  let image = holder.querySelector("img");
  if (!image) {
    image = make("img", { draggable: "false" });
    // A broken picture is marked as missing, instead of the browser's own icon.
    image.addEventListener("error", () => setPicture(holder, null, image.alt));
    // A picture of few pixels stays sharp when it is enlarged; one that is made smaller would lose lines.
    image.addEventListener("load", () => image.classList.toggle("sharp", image.naturalWidth <= image.clientWidth));
    holder.replaceChildren(image);
  }
  if (image.getAttribute("src") !== source) image.setAttribute("src", source);
  image.alt = text;
}

/** A small picture of an event, with a mark if it shows the cue. */
function thumbnail(step) {
  const holder = make("span", { class: "thumb" });
  setPicture(holder, steps[step]?.seen, eventName(step));
  if (steps[step]?.cue) holder.append(make("span", { class: "cue-mark", title: "shows the cue" }, "cue"));
  return holder;
}

/** Pictures, a name and a remark of one or several events; a click goes to the step that wrote the first. */
function eventButton(events, name, remark) {
  const target = events.find(isEvent);
  const title = "Go to the step that wrote it";
  return make(
    "button",
    { type: "button", class: "event", title, "data-go": target, disabled: target === undefined },
    make("span", { class: "stack" }, ...events.slice(0, 3).map(thumbnail)),
    make("span", {}, make("span", { class: "name" }, name), make("span", { class: "aside" }, remark)),
  );
}

/** A bar, filled between two shares of its length. */
function bar(from, to, color) {
  const style = `left: ${100 * from}%; right: ${100 - 100 * to}%; background: ${color}`;
  return make("span", { class: "bar" }, make("span", { class: "fill", style }));
}

/** What a step read, added up over sources with the same key: a map from the key to one weight per head. */
function readBy(step, keyOf) {
  const found = new Map();
  steps[step].read.forEach(({ from }, head) => {
    for (const [origin, slot, weight] of from) {
      const key = keyOf(origin, slot);
      if (!found.has(key)) found.set(key, { origin, slot, weights: allHeads.map(() => 0) });
      found.get(key).weights[head] += weight;
    }
  });
  return found;
}

const strongestFirst = (one, other) => sum(other.weights) - sum(one.weights);

const readersInWords = (weights) =>
  weights.flatMap((weight, head) => (weight >= 0.005 ? [`head ${head + 1} ${percent(weight)}`] : [])).join(", ");
