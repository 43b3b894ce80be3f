/* Why this action: what the nearest decision would have been without an event, or without a kind of events. */

const decisions = [...episode.decisions].sort((one, other) => one.step - other.step);
// Differences that round to nothing are to look like nothing.
const widestValue = Math.max(0.05, ...decisions.flatMap(({ effects }) => effects.map((effect) => Math.abs(effect.value_change ?? 0))));
let shownDecision = null;

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
  byId("why-what").textContent = "No decision of this episode was examined by deleting events.";
}

function drawWhy(step) {
  const decision = nearestDecision(step);
  if (!decision) return;
  const away = decision.step - step;
  byId("why-title").textContent = away === 0 ? "Why this action?" : "Why? The nearest decision";
  for (const chip of byId("decisions").children) {
    const here = Number(chip.dataset.step) === decision.step;
    chip.classList.toggle("nearest", here);
    if (here) byId("decisions").scrollTop = chip.offsetTop - byId("decisions").clientHeight / 2;
    if (here && away === 0) chip.setAttribute("aria-current", "step");
    else chip.removeAttribute("aria-current");
  }
  if (decision === shownDecision) return;
  shownDecision = decision;
  const taken = steps[decision.step].probabilities?.[decision.action];
  byId("why-what").replaceChildren(
    `At step ${decision.step} it chose `,
    make("b", {}, actionName(decision.action)),
    isNumber(taken) ? ` (${percent(taken)}). ` : ". ",
    decision.effects.length ? "Had it never stored:" : "There was no event that could be deleted.",
  );
  const names = ["without", `chance of ${actionName(decision.action)}`, "value", "then chooses"];
  byId("why").querySelector("thead").replaceChildren(make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  byId("why").querySelector("tbody").replaceChildren(...decision.effects.map((effect) => effectRow(decision, effect)));
  byId("why").querySelector(".scroll").scrollTop = 0;
  byId("why-hint").textContent = decision.effects.length
    ? "Each row: the episode played back without these events, with all else that was observed and done as it was. Strongest first."
    : "";
}

function effectRow(decision, effect) {
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
  const other = String(effect.action_after) !== String(decision.action);
  return make(
    "tr",
    { class: effect.shows_cue ? "shows-cue" : null, "data-steps": effect.steps.join(" ") },
    make("td", {}, event),
    make("td", { class: "change" }, changeBar(effect.probability_change, 1), changeText(effect)),
    make("td", { class: "change" }, changeBar(effect.value_change, widestValue), signed(effect.value_change)),
    make("td", { class: other ? "changed" : "aside" }, other ? actionName(effect.action_after) : "the same"),
  );
}

const changeText = ({ probability, probability_change: change }) =>
  make("span", {}, signed(change), make("span", { class: "aside" }, ` → ${isNumber(probability) ? percent(probability) : "–"}`));

/** A bar that grows from the middle: to the left for less, to the right for more. */
function changeBar(change, widest) {
  const filled = make("span", { class: change < 0 ? "fill less" : "fill more" });
  const half = 50 * Math.min(1, Math.abs(change ?? 0) / widest);
  filled.style.width = `${half}%`;
  filled.style.left = `${change < 0 ? 50 - half : 50}%`;
  return make("span", { class: "bar middle" }, filled);
}

buildDecisions();
views.push(drawWhy);
