/* The film: the scene, what the agent sees, what it does and how sure it is. */

let sum = 0;
const returns = steps.map(({ reward }) => (sum += reward));

function drawFilm(step) {
  const { world, seen, caption, action, probabilities, value, reward, gate } = steps[step];
  byId("film-step").textContent = `step ${step} of ${lastStep}`;
  byId("film").classList.toggle("without-world", !isNumber(world));
  if (isNumber(world)) setPicture(byId("world"), world, `the whole scene at step ${step}`);
  setPicture(byId("seen"), seen, `what the agent sees at step ${step}${caption ? `: ${caption}` : ""}`);
  byId("caption").textContent = caption;
  const numbers = [
    ["action", actionName(action)],
    ["value", fixed(value)],
    ["reward", fixed(reward)],
    ["return", fixed(returns[step])],
    ...(isNumber(gate) ? [["write gate", fixed(gate)]] : []),
  ];
  byId("numbers").replaceChildren(...numbers.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  drawPolicy(probabilities, action);
}

function drawPolicy(probabilities, taken) {
  byId("policy").hidden = !probabilities;
  const actions = (probabilities ?? []).map((probability, action) => ({ probability, action }));
  if (actions.length > 8) actions.sort((one, other) => other.probability - one.probability).splice(8);
  const rows = actions.map(({ probability, action }) =>
    make(
      "tr",
      { class: action === taken ? "taken" : null },
      make("th", { scope: "row" }, actionName(action)),
      make("td", {}, bar(probability, "var(--accent)")),
      make("td", { class: "number" }, percent(probability)),
      make("td", {}, action === taken ? "taken" : ""),
    ),
  );
  byId("policy").tBodies[0].replaceChildren(...rows);
}

views.push(drawFilm);
