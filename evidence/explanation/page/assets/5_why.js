/* Why this action: what the decision had been without some events, or with others in their place. */

const decisions = [...episode.decisions].sort((one, other) => one.step - other.step);
const isDensity = episode.likelihood === "log density";
const outcomes = decisions.flatMap(({ effects }) => effects.flatMap(({ deleted, replaced }) => (replaced ? [deleted, replaced] : [deleted])));
const widest = (key, least) => Math.max(least, ...outcomes.map((outcome) => Math.abs(outcome[key] ?? 0)));
// Differences that round to nothing are to look like nothing.
const widestValue = widest("value_change", 0.05);
const widestLikelihood = isDensity ? widest("likelihood_change", 0.05) : 1;
const measured = isDensity ? "log density of" : "chance of";
const leftOut = new Set(episode.left_out);

/** The decision nearest to a step; of two, the one that is still to come. */
function nearestDecision(step) {
  const distance = (decision) => Math.abs(decision.step - step);
  return decisions.reduce((best, decision) => (!best || distance(decision) <= distance(best) ? decision : best), null);
}

/** Go to the next (1) or the previous (-1) decision. */
function jumpDecision(direction) {
  const beyond = decisions.filter(({ step }) => (step - now) * direction > 0);
  if (beyond.length) jump((direction > 0 ? beyond[0] : beyond.at(-1)).step);
}

function buildDecisions() {
  const chips = decisions.map(({ step, action }) => {
    const chip = make("button", { type: "button", class: "chip", "data-step": step }, make("b", {}, step), ` ${actionName(action)}`);
    chip.setAttribute("aria-label", `Go to the decision at step ${step}: ${actionName(action)}`);
    chip.addEventListener("click", () => jump(step));
    return chip;
  });
  byId("decisions").replaceChildren(...chips);
  byId("decisions").hidden = !chips.length;
  if (chips.length) return;
  byId("why-what").textContent = "No decision of this episode was examined by changing what is remembered.";
}

function drawWhy(step) {
  const nearest = nearestDecision(step);
  if (!nearest) return;
  const decision = nearest.step === step ? nearest : null;
  for (const chip of byId("decisions").children) {
    const isNearest = Number(chip.dataset.step) === nearest.step;
    chip.classList.toggle("nearest", isNearest);
    if (isNearest) byId("decisions").scrollTop = chip.offsetTop - byId("decisions").clientHeight / 2;
    if (isNearest && decision) chip.setAttribute("aria-current", "step");
    else chip.removeAttribute("aria-current");
  }
  const table = byId("why").querySelector("table");
  if (!decision) {
    table.replaceChildren();
    byId("why-what").textContent = whyNot(step);
    byId("why-hint").textContent = "";
    return;
  }
  byId("why-what").replaceChildren(
    `At step ${step} it chose `,
    make("b", {}, actionName(decision.action)),
    ` (${likelihoodText(decision.likelihood)}). `,
    decision.effects.length ? asked : "There was no event that could be changed.",
  );
  const names = ["events", `${measured} ${actionName(decision.action)}`, "value", isDensity ? "its mean then" : "then chooses"];
  const head = make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  const bodies = decision.effects.map((effect, place) => effectRows(decision, effect, place === 0 ? decision.control : null));
  table.replaceChildren(head, ...bodies);
  byId("why").querySelector(".scroll").scrollTop = 0;
  const { effects, tried } = decision;
  byId("why-hint").textContent = !effects.length ? "" : tried > effects.length ? `${hint} The first ${effects.length} of ${tried}.` : hint;
}

/** Why there is nothing to show of a step: it was left out, or nothing has an effect. */
function whyNot(step) {
  const action = actionName(steps[step].action);
  if (leftOut.has(step)) return `At step ${step} it chose ${action}. This decision was left out: something stored moves it, but others more.`;
  const [alone, written] = episode.tried_alone;
  const few = alone < written ? ` (of ${written} events, ${alone} were changed one by one)` : "";
  return `At step ${step} nothing stored moves the ${measured} ${action} by ${episode.least_change} or more${few}.`;
}

/** How much of the episode is examined here. */
function showExtent() {
  if (!decisions.length) return;
  const [alone, written] = episode.tried_alone;
  const found = decisions.length + leftOut.size;
  byId("why-extent").textContent = `${decisions.length} of ${found} decisions, ${alone} of ${written} events shown`;
}

const asked = episode.replaces
  ? "Had its memory been another:"
  : "Had it never stored some of it (this memory keeps no events: what it wrote can only be deleted, not replaced):";

const hint = [
  "The episode played back with these events deleted",
  episode.replaces ? " or showing something else" : "",
  ", all else that was observed and done as it was. Strongest first.",
  isDensity ? " Of continuous actions there are densities: a change of the log by −0.5 is a mean that is off by one standard deviation." : "",
].join("");

/** The rows of one set of events: what it is, what follows when it is deleted, and when it shows something else. */
function effectRows(decision, effect, control) {
  const rows = [
    make("tr", { class: "what" }, make("td", { colspan: 4 }, eventButton(effect))),
    outcomeRow(decision, "deleted", ["deleted"], effect.deleted),
  ];
  if (effect.replaced) rows.push(outcomeRow(decision, "replaced", replacedBy(effect.steps), effect.replaced));
  if (control) {
    rows.push(controlRow(control, "deleted"));
    if (effect.replaced && control.replaced) rows.push(controlRow(control, "replaced"));
  }
  return make("tbody", { class: effect.shows_cue ? "shows-cue" : null, "data-steps": effect.steps.join(" ") }, ...rows);
}

function eventButton(effect) {
  const pictures = make("span", { class: "stack" }, ...effect.steps.slice(0, 3).map(thumbnail));
  const event = make(
    "button",
    { type: "button", class: "event", title: "Go to the step that stored it", disabled: !effect.steps.some(isEvent) },
    pictures,
    make(
      "span",
      {},
      make("span", { class: "name" }, effect.label),
      make("span", { class: "aside" }, effect.group ? `${effect.steps.length} event${effect.steps.length === 1 ? "" : "s"}` : `step ${effect.steps[0]}`),
    ),
  );
  event.addEventListener("click", () => jump(effect.steps.find(isEvent)));
  return event;
}

function outcomeRow(decision, kind, name, outcome) {
  const after = actionName(outcome.action_after);
  const other = after !== actionName(decision.action);
  return make(
    "tr",
    { class: kind },
    make("th", { scope: "row" }, ...name),
    make("td", { class: "change" }, changeBar(outcome.likelihood_change, widestLikelihood), changeText(outcome)),
    make("td", { class: "change" }, changeBar(outcome.value_change, widestValue), signed(outcome.value_change)),
    make("td", { class: other ? "changed" : "aside" }, other ? after : "the same"),
  );
}

/** What the events show instead, and whence it is. */
function replacedBy(changedSteps) {
  const found = changedSteps.slice(0, 3).map((step) => steps[step]?.instead).filter(Boolean);
  if (!found.length) return ["replaced"];
  const nameOf = ({ caption, source }) => (caption ? `${source}: ${caption}` : source);
  const pictures = found.map((instead) => {
    const holder = make("span", { class: "thumb", title: nameOf(instead) });
    setPicture(holder, instead.seen, nameOf(instead));
    return holder;
  });
  return [make("span", { class: "by" }, make("span", { class: "stack" }, ...pictures), make("span", {}, `replaced by ${nameOf(found[0])}`))];
}

/** What as many other events do, drawn several times: the mean size of the change, and the largest. */
function controlRow({ events, draws, ...outcome }, kind) {
  const { likelihood_change: likelihood, value_change: value, other_action: differs } = outcome[kind];
  const others = events === 1 ? "other" : draws === 1 ? `${events} others` : "others";
  const sizes = ([mean, largest]) => make("td", { class: "change" }, `mean ${fixed(mean)}`, make("br"), `at most ${fixed(largest)}`);
  return make(
    "tr",
    { class: `control ${kind}`, title: "To compare with: the size of the change when other events are drawn at random, on the average and at most" },
    make("th", { scope: "row" }, draws === 1 ? `the only ${others} ${kind}` : `${events} random ${others} ${kind}, ${draws} draws`),
    sizes(likelihood),
    sizes(value),
    make("td", {}, isDensity ? "" : differs ? `another in ${differs} of ${draws}` : "the same"),
  );
}

const likelihoodText = (likelihood) => (!isNumber(likelihood) ? "–" : isDensity ? `log density ${fixed(likelihood)}` : percent(likelihood));

const changeText = ({ likelihood, likelihood_change: change }) =>
  make("span", {}, signed(change), make("span", { class: "aside" }, ` → ${isDensity ? fixed(likelihood) : percent(likelihood)}`));

/** A bar that grows from the middle: to the left for less, to the right for more. */
function changeBar(change, widest) {
  const filled = make("span", { class: change < 0 ? "fill less" : "fill more" });
  const half = 50 * Math.min(1, Math.abs(change ?? 0) / widest);
  filled.style.width = `${half}%`;
  filled.style.left = `${change < 0 ? 50 - half : 50}%`;
  return make("span", { class: "bar middle" }, filled);
}

buildDecisions();
showExtent();
views.push(drawWhy);
