/* The film: the scene, what the agent sees, what it does and how certain it is. */

const MOST_ACTIONS = 8;
let total = 0;
const returns = steps.map(({ reward }) => (total += reward));

function drawFilm(step) {
  const { world, seen, caption, action, probabilities, value, reward, gate } = steps[step];
  byId("film-step").textContent = `step ${step} of ${lastStep}`;
  if (byId("world")) setPicture(byId("world"), world, `the whole scene at step ${step}`);
  setPicture(byId("seen"), seen, `what the agent sees at step ${step}${caption ? `: ${caption}` : ""}`);
  byId("caption").textContent = caption;
  const numbers = {
    action: actionName(action),
    value: fixed(value),
    reward: fixed(reward),
    return: fixed(returns[step]),
    ...(isNumber(gate) ? { "write gate": fixed(gate) } : {}),
  };
  const rows = Object.entries(numbers).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  byId("numbers").replaceChildren(...rows);
  drawPolicy(probabilities, action);
}

function drawPolicy(probabilities, taken) {
  byId("policy").hidden = !probabilities;
  let actions = [...(probabilities ?? []).entries()];
  if (actions.length > MOST_ACTIONS) {
    actions = actions.sort(([, one], [, other]) => other - one).slice(0, MOST_ACTIONS);
  }
  const rows = actions.map(([action, probability]) =>
    make(
      "tr",
      { class: action === taken && "taken" },
      make("th", { scope: "row" }, actionName(action)),
      make("td", {}, bar(0, probability, "var(--accent)")),
      make("td", { class: "number" }, percent(probability)),
      make("td", {}, action === taken ? "taken" : ""),
    ),
  );
  byId("policy").tBodies[0].replaceChildren(...rows);
}

views.push(drawFilm);
