/* What moves the page: clicks, dragging on the time line, the keyboard, the play button, a #step in the address. */

let timer = null;

/** Stop playing and go to a step. */
function jump(step) {
  pause();
  show(step);
}

/** A click on whatever belongs to a step goes to it. */
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-go]");
  if (button) jump(Number(button.dataset.go));
});

// --- play

function play() {
  if (now >= lastStep) show(0);
  playNext();
  labelPlay("Pause", "❚❚");
}

function playNext() {
  timer = setTimeout(() => {
    show(now + 1);
    if (now < lastStep) playNext();
    else pause();
  }, 1000 / Number(byId("speed").value));
}

function pause() {
  clearTimeout(timer);
  timer = null;
  labelPlay("Play", "▶");
}

function labelPlay(name, sign) {
  byId("play").textContent = sign;
  byId("play").ariaLabel = name;
}

const toggle = () => (timer === null ? play() : pause());

byId("play").addEventListener("click", toggle);
byId("back").addEventListener("click", () => jump(now - 1));
byId("forward").addEventListener("click", () => jump(now + 1));

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

/** What the attention track shows under the pointer, in words. */
function attentionUnder(event) {
  const box = byId("track-attention").getBoundingClientRect();
  const step = stepAt(event);
  if (!steps[step] || event.clientY < box.top || event.clientY >= box.bottom) return "";
  const perPixel = steps.length / box.height;
  const origin = (box.bottom - event.clientY) * perPixel;
  const reach = Math.max(0.5, 3 * perPixel);
  const isNear = (read) => Math.abs(read.origin + 0.5 - origin) <= reach;
  const reads = [...readBy(step, (from) => from).values()].filter(isNear).sort(strongestFirst);
  if (!isEvent(reads[0]?.origin)) return "";
  return `step ${step} reads ${eventName(reads[0].origin)}: ${readersInWords(reads[0].weights)}`;
}

// --- keyboard

const KEYS = {
  ArrowLeft: (shift) => jump(now - (shift ? 10 : 1)),
  ArrowRight: (shift) => jump(now + (shift ? 10 : 1)),
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
  // With the focus on a button, the space bar presses it.
  if (event.key === " " && event.target.matches("button, summary")) return;
  const act = KEYS[event.key] ?? (event.target === plot ? KEYS_ON_TIME_LINE[event.key] : undefined);
  if (!act) return;
  event.preventDefault();
  act(event.shiftKey);
});

// --- start

/** Go to the step that the address names, as #12 or #step=12. */
function showAddressed() {
  const step = /^#(?:step=)?(\d+)$/.exec(location.hash)?.[1];
  if (step !== undefined) jump(Number(step));
}

new ResizeObserver(drawTracks).observe(plot);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTracks);
window.addEventListener("hashchange", showAddressed);
show(decisions.at(-1)?.step ?? 0); // what a reader came for
showAddressed();
