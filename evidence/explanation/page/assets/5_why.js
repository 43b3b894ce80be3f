/* Why this action: what the agent would have done without some events, or with others in their place. */

const isDensity = episode.likelihood === "log density";
const measure = isDensity ? "log density" : "chance";
const leftOut = new Set(episode.left_out);
const outcomes = decisions
  .flatMap(({ effects }) => effects.flatMap(({ deleted, replaced }) => [deleted, replaced]))
  .filter(Boolean);
// The scale of the bars, not so fine that a change that is rounded to zero has a bar.
const largest = (key) => Math.max(0.05, ...outcomes.map((outcome) => Math.abs(outcome[key])));
const largestValue = largest("value_change");
const largestLikelihood = isDensity ? largest("likelihood_change") : 1;

const introduction = episode.replaces
  ? "What it would have done with another memory:"
  : "What it would have done if it had not stored some events " +
    "(this memory stores no single events: what it wrote can be deleted, but not replaced):";

const hint =
  `The episode is replayed with these events deleted${episode.replaces ? " or replaced" : ""}; ` +
  "all observations and actions are as recorded. The strongest effects come first." +
  (isDensity
    ? " Continuous actions have a density instead of a chance:" +
      " a change of its log by −0.5 means that the mean shifts by one standard deviation."
    : "");

/** The decision nearest to a step; of two, the later one. */
function nearestDecision(step) {
  const distance = (decision) => Math.abs(decision.step - step);
  return decisions.reduce((best, decision) => (distance(decision) <= distance(best) ? decision : best));
}

/** Go to the next (1) or the previous (-1) decision. */
function jumpDecision(direction) {
  const beyond = decisions.filter(({ step }) => (step - now) * direction > 0);
  if (beyond.length) jump(beyond.at(direction > 0 ? 0 : -1).step);
}

function buildWhy() {
  const chips = decisions.map(({ step, action }) => {
    const label = `Go to the decision at step ${step}: ${actionName(action)}`;
    const attributes = { type: "button", class: "chip", "data-go": step, "aria-label": label };
    return make("button", attributes, make("b", {}, step), ` ${actionName(action)}`);
  });
  byId("decisions").replaceChildren(...chips);
  const [alone, written] = episode.tried_alone;
  const found = decisions.length + leftOut.size;
  byId("why-extent").textContent = `${decisions.length} of ${found} decisions, ${alone} of ${written} single events`;
}

function drawWhy(step) {
  const nearest = nearestDecision(step);
  const here = nearest.step === step;
  markChip(nearest, here);
  byId("why-what").replaceChildren(...(here ? summary(nearest) : [whyNot(step)]));
  byId("why").querySelector("table").replaceChildren(...(here ? tableParts(nearest) : []));
  byId("why").querySelector(".scroll").scrollTop = 0;
  const { effects, tried } = nearest;
  const extent = tried > effects.length ? ` The first ${effects.length} of ${tried}.` : "";
  byId("why-hint").textContent = here && effects.length ? hint + extent : "";
}

function markChip(nearest, here) {
  for (const chip of byId("decisions").children) {
    const isNearest = Number(chip.dataset.go) === nearest.step;
    chip.classList.toggle("nearest", isNearest);
    chip.ariaCurrent = isNearest && here ? "step" : null;
    if (isNearest) byId("decisions").scrollTop = chip.offsetTop - byId("decisions").clientHeight / 2;
  }
}

function summary({ step, action, likelihood, effects }) {
  const certainty = isDensity ? `log density ${fixed(likelihood)}` : percent(likelihood);
  const rest = effects.length ? introduction : "No event was stored before.";
  return [`At step ${step} it chose `, make("b", {}, actionName(action)), ` (${certainty}). ${rest}`];
}

/** Why a step has no table: it was left out, or no event has an effect. */
function whyNot(step) {
  const action = actionName(steps[step].action);
  if (leftOut.has(step)) {
    return `At step ${step} it chose ${action}. This decision is left out: others depend more on the memory.`;
  }
  const [alone, written] = episode.tried_alone;
  const limit = alone < written ? ` (${alone} of ${written} events were edited one by one)` : "";
  const least = episode.least_change;
  return `At step ${step} no stored event changes the ${measure} of ${action} by ${least} or more${limit}.`;
}

function tableParts(decision) {
  const { action, effects, control } = decision;
  const actionThen = isDensity ? "mean action then" : "action then";
  const names = ["events", `${measure} of ${actionName(action)}`, "value", actionThen];
  const head = make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  return [head, ...effects.map((effect, place) => effectRows(action, effect, place === 0 ? control : null))];
}

/** The rows of one set of events: what it is, the effect of deleting it, and the effect of replacing it. */
function effectRows(action, effect, control) {
  const { steps: events, label, group } = effect;
  const remark = group ? `${events.length} event${events.length === 1 ? "" : "s"}` : `step ${events[0]}`;
  const kinds = ["deleted", "replaced"].filter((kind) => effect[kind]);
  return make(
    "tbody",
    {},
    make("tr", { class: "what" }, make("td", { colspan: 4 }, eventButton(events, label, remark))),
    ...kinds.map((kind) => outcomeRow(action, kind, kind === "deleted" ? kind : replacedBy(events), effect[kind])),
    ...kinds.filter((kind) => control?.[kind]).map((kind) => controlRow(control, kind, control[kind])),
  );
}

function outcomeRow(action, kind, name, outcome) {
  const { likelihood, likelihood_change: change, value_change: valueChange } = outcome;
  const after = actionName(outcome.action_after);
  const same = after === actionName(action);
  const newLikelihood = make("span", { class: "aside" }, ` → ${isDensity ? fixed(likelihood) : percent(likelihood)}`);
  return make(
    "tr",
    { class: kind },
    make("th", { scope: "row" }, name),
    make("td", { class: "change" }, changeBar(change, largestLikelihood), signed(change), newLikelihood),
    make("td", { class: "change" }, changeBar(valueChange, largestValue), signed(valueChange)),
    make("td", { class: same ? "aside" : "changed" }, same ? "the same" : after),
  );
}

/** The observations that replace those of some events, and where they are from. */
function replacedBy(events) {
  const found = events.slice(0, 3).flatMap((step) => steps[step]?.instead ?? []);
  if (!found.length) return "replaced";
  const nameOf = ({ caption, source }) => (caption ? `${source}: ${caption}` : source);
  const pictures = found.map((instead) => {
    const holder = make("span", { class: "thumb", title: nameOf(instead) });
    setPicture(holder, instead.seen, nameOf(instead));
    return holder;
  });
  const stack = make("span", { class: "stack" }, ...pictures);
  return make("span", { class: "by" }, stack, `replaced by ${nameOf(found[0])}`);
}

/** The effect of random other events, as many and drawn several times: mean size of the change, and the largest. */
function controlRow({ events, draws }, kind, sizes) {
  const others = events === 1 ? "other" : draws === 1 ? `${events} others` : "others";
  const name = draws === 1 ? `the only ${others} ${kind}` : `${events} random ${others} ${kind}, ${draws} draws`;
  const cell = ([mean, largest]) =>
    make("td", { class: "change" }, `mean ${fixed(mean)}`, make("br"), `at most ${fixed(largest)}`);
  const action = sizes.other_action ? `another in ${sizes.other_action} of ${draws}` : "the same";
  return make(
    "tr",
    { class: `control ${kind}`, title: "For comparison: the size of the change when random other events are edited" },
    make("th", { scope: "row" }, name),
    cell(sizes.likelihood_change),
    cell(sizes.value_change),
    make("td", {}, isDensity ? "" : action),
  );
}

/** A bar that grows from the middle: to the left for less, to the right for more. */
function changeBar(change, widest) {
  const half = Math.min(1, Math.abs(change) / widest) / 2;
  const made = change < 0 ? bar(0.5 - half, 0.5, "var(--less)") : bar(0.5, 0.5 + half, "var(--accent)");
  made.classList.add("middle");
  return made;
}

if (decisions.length) {
  buildWhy();
  views.push(drawWhy);
}
