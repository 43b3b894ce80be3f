"use strict";
/* What the other scripts of the page share: the episode, small helpers, and `show`, by which everything moves to a step.

The episode is the JSON in the page:
  title, env, memory, controller, run, command, checkpoint, layout: text; git_commit: text or null
  episode, seed, length, return: numbers; success: true, false or null; notes: list of text
  action_names: names of discrete actions, or null; heads, slots: numbers of read heads and of slots
  likelihood: "probability" or, of continuous actions, "log density"; replaces: whether events can be replaced
  reads_before_writing: whether an event can be read only from the next step on
  images: list of "data:image/png;base64,…"; elsewhere a picture is an index into it, or null
  steps: one object a step,
    world: picture of the scene or null; seen: picture of what was observed (and stored, if it was written); caption: text
    action, probabilities (or null), value, reward; cue: whether it is in sight, or null; gate: 0 to 1, or null
    written: [[slot, strength], …]; occupancy: share of the slots that are filled
    read: per head {nothing: weight, from: [[step of the event, slot, weight], …]}
    instead: what the event is replaced by, {seen, caption, source}, or null
  left_out: steps of decisions that are not shown; least_change: of the likelihood, at which a step is a decision
  tried_alone: [how many events were changed one by one, of how many], or null if there is no memory
  decisions: one object a decision, {step, action, likelihood, effects, control, tried}, tried: of how many sets of events
    the effects are the strongest; an effect is what changing events does,
    steps: which; label: text; group: whether they are one kind; shows_cue: true, false or null
    deleted, and replaced or null: {likelihood, that of the action then; likelihood_change, value_change; action_after}
  control: what as many random others do as the first effect has, or null; events: how many; draws: how often drawn
    deleted, and replaced or null: {likelihood_change: [mean size, largest], value_change, other_action: how often} */

const episode = JSON.parse(document.getElementById("explanation").textContent);
const steps = episode.steps;
const lastStep = steps.length - 1;
const headsShown = new Set(Array.from({ length: episode.heads }, (_, head) => head));

/** Functions of the step, each of which draws one part of the page. */
const views = [];
let now = 0;

/** Move film, memory, reads and time line to a step: the only way by which any of them moves. */
function show(step) {
  if (lastStep < 0) return;
  now = Math.min(Math.max(Math.round(step), 0), lastStep);
  for (const view of views) view(now);
}

const byId = (id) => document.getElementById(id);

/** Make an element; text is set as text, never as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const isNumber = (value) => typeof value === "number";
const fixed = (value) => (isNumber(value) ? value.toFixed(2) : "–");
const signed = (value) => (Math.abs(value) < 0.005 ? "" : value < 0 ? "−" : "+") + fixed(isNumber(value) ? Math.abs(value) : value);
const percent = (share) => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);
const headColor = (head) => `var(--head-${head % 7})`;

function actionName(action) {
  if (action === null || action === undefined) return "–";
  if (Array.isArray(action)) return `(${action.map((part) => (Number.isInteger(part) ? part : fixed(part))).join(", ")})`;
  return episode.action_names?.[action] ?? (Number.isInteger(action) ? String(action) : fixed(action));
}

/** Whether the event of this step is known: what a memory held before the episode has no step. */
const isEvent = (step) => Number.isInteger(step) && step >= 0 && step <= lastStep;

function eventName(step) {
  if (!isEvent(step)) return "from before the episode";
  return steps[step].caption ? `step ${step}, ${steps[step].caption}` : `step ${step}`;
}

/** Show a picture in an element, or say there that there is none. */
function setPicture(holder, index, text) {
  const source = isNumber(index) ? episode.images[index] : undefined;
  const usable = typeof source === "string" && source.startsWith("data:image/");
  holder.dataset.picture = usable ? index : "none";
  if (!usable) {
    holder.replaceChildren(make("span", { class: "no-picture", role: "img", "aria-label": `no picture: ${text}` }));
    return;
  }
  let image = holder.querySelector("img");
  if (!image) {
    image = make("img", { draggable: "false" });
    // A picture that turns out not to be one is shown as missing, not as the browser's broken icon.
    image.addEventListener("error", () => setPicture(holder, null, image.alt));
    // Enlarged, a picture of few pixels stays sharp; made smaller, it would lose lines.
    image.addEventListener("load", () => image.classList.toggle("sharp", image.naturalWidth <= image.clientWidth));
    holder.replaceChildren(image);
  }
  if (image.getAttribute("src") !== source) image.setAttribute("src", source);
  image.alt = text;
}

/** A small picture of an event, with a mark if it shows the cue. */
function thumbnail(step) {
  const holder = make("span", { class: "thumb" });
  setPicture(holder, isEvent(step) ? steps[step].seen : null, eventName(step));
  if (isEvent(step) && steps[step].cue) holder.append(cueMark());
  return holder;
}

const cueMark = () => make("span", { class: "cue-mark", title: "shows the cue" }, "cue");

/** A bar from the left whose length is a share of 1. */
function bar(share, color) {
  const filled = make("span", { class: "fill" });
  filled.style.width = `${100 * Math.min(1, share)}%`;
  filled.style.background = color;
  return make("span", { class: "bar" }, filled);
}

function swatch(head) {
  const color = make("span", { class: "swatch" });
  color.style.background = headColor(head);
  return color;
}

/** What a step read, summed over entries with the same key: from the key to one weight a head, and their total. */
function readBy(step, keyOf) {
  const found = new Map();
  steps[step].read.forEach(({ from }, head) => {
    for (const [origin, slot, weight] of from) {
      const key = keyOf(origin, slot);
      if (!found.has(key)) found.set(key, { origin, slot, weights: new Array(episode.heads).fill(0), total: 0 });
      found.get(key).weights[head] += weight;
      found.get(key).total += weight;
    }
  });
  return found;
}

const readersInWords = (weights) =>
  weights.flatMap((weight, head) => (weight >= 0.005 ? [`head ${head + 1} ${percent(weight)}`] : [])).join(", ");
