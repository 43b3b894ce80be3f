/* What moves the page: dragging on the time line, the keyboard, the play button, a #step in the address. */

const plot = byId("plot");
let timer = null;

/** Go to a step that was asked for: unlike `show`, this ends playing. */
function jump(step) {
  pause();
  show(step);
}

// --- play

function play() {
  if (now >= lastStep) show(0);
  const tick = () => (now < lastStep ? show(now + 1) : pause());
  timer = setInterval(tick, 1000 / Number(byId("speed").value));
  labelPlay("Pause", "❚❚");
}

function pause() {
  clearInterval(timer);
  timer = null;
  labelPlay("Play", "▶");
}

function labelPlay(name, sign) {
  byId("play").textContent = sign;
  byId("play").setAttribute("aria-label", name);
}

const toggle = () => (timer === null ? play() : pause());

byId("play").addEventListener("click", toggle);
byId("back").addEventListener("click", () => jump(now - 1));
byId("forward").addEventListener("click", () => jump(now + 1));
byId("speed").addEventListener("change", () => {
  if (timer === null) return;
  pause();
  play();
});

// --- drag

function stepAt(event) {
  const box = plot.getBoundingClientRect();
  return Math.floor(((event.clientX - box.left) / box.width) * steps.length);
}

plot.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  plot.setPointerCapture(event.pointerId);
  jump(stepAt(event));
});
plot.addEventListener("pointermove", (event) => {
  if (plot.hasPointerCapture(event.pointerId)) show(stepAt(event));
  byId("hover").textContent = attentionUnder(event);
});
plot.addEventListener("pointerleave", () => (byId("hover").textContent = ""));

/** Say in words what the heat map shows under the pointer. */
function attentionUnder(event) {
  const box = byId("track-attention").getBoundingClientRect();
  const step = stepAt(event);
  if (!steps[step] || event.clientY < box.top || event.clientY >= box.bottom) return "";
  const perPixel = steps.length / box.height;
  const origin = (box.bottom - event.clientY) * perPixel;
  const near = [...readBy(step, (from) => from).values()].filter((read) => Math.abs(read.origin + 0.5 - origin) <= Math.max(0.5, 3 * perPixel));
  const { origin: found, weights } = near.sort((one, other) => other.total - one.total)[0] ?? {};
  return isEvent(found) ? `step ${step} reads ${eventName(found)}: ${readersInWords(weights)}` : "";
}

// --- keyboard

const KEYS = {
  ArrowLeft: (fast) => jump(now - (fast ? 10 : 1)),
  ArrowRight: (fast) => jump(now + (fast ? 10 : 1)),
  n: () => jumpDecision(1),
  p: () => jumpDecision(-1),
  " ": toggle,
};
// Elsewhere these scroll the page.
const KEYS_ON_TIME_LINE = {
  ArrowDown: () => jump(now - 1),
  ArrowUp: () => jump(now + 1),
  PageDown: () => jump(now - 10),
  PageUp: () => jump(now + 10),
  Home: () => jump(0),
  End: () => jump(lastStep),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input, select")) return;
  // The space bar presses the button that has the focus.
  if (event.key === " " && event.target.matches("button, summary")) return;
  const act = KEYS[event.key] ?? (event.target === plot ? KEYS_ON_TIME_LINE[event.key] : undefined);
  if (!act) return;
  event.preventDefault();
  act(event.shiftKey);
});

// --- start

function showAddressed() {
  const step = /^#(?:step=)?(\d+)$/.exec(location.hash)?.[1];
  if (step !== undefined) jump(Number(step));
}

function showFacts() {
  const { success } = episode;
  const facts = [
    episode.env,
    `memory ${episode.memory}, controller ${episode.controller}`,
    `episode ${episode.episode}, seed ${episode.seed}`,
    `${episode.length} steps`,
    `return ${fixed(episode.return)}`,
  ];
  byId("facts").replaceChildren(...facts.map((fact) => make("span", {}, fact)));
  if (success !== null) byId("facts").append(make("span", { class: success ? "success" : "failure" }, success ? "✓ success" : "✗ no success"));
  const origin = { command: episode.command, run: episode.run, checkpoint: episode.checkpoint, "git commit": episode.git_commit, layout: episode.layout };
  for (const [name, text] of Object.entries(origin)) {
    if (text) byId("origin").append(make("dt", {}, name), make("dd", {}, make("code", {}, text)));
  }
  byId("notes").replaceChildren(...episode.notes.map((note) => make("li", {}, note)));
}

showFacts();
if (lastStep < 0) byId("caption").textContent = "This episode has no steps.";
new ResizeObserver(drawTracks).observe(plot);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTracks);
window.addEventListener("hashchange", showAddressed);
show(0);
showAddressed();
