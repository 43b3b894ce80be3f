/* The time line: everything over time on one axis. Step t of T takes [t/T, (t+1)/T) of the width. */

const THINNEST = 2; // pixels, so that one step of a long episode can be seen
const MOST_TICKS = 14;
const plot = byId("plot");
const middle = (step) => (step + 0.5) / steps.length;

/** Place an element over a part of a track, given in steps. */
function place(element, from, length = null) {
  element.style.left = `${(100 * from) / steps.length}%`;
  if (length !== null) element.style.width = `${(100 * length) / steps.length}%`;
  return element;
}

function buildCue() {
  const marks = steps.flatMap(({ cue }, step) => (cue ? [place(make("span", { class: "cue" }), step, 1)] : []));
  byId("track-cue").append(...marks);
}

/** A curve over time, and a line at zero; the svg is T wide and 1 high. */
function buildCurve(key, low, high) {
  const height = (value) => 1 - (value - low) / (high - low || 1);
  const points = steps.flatMap((step, t) => (isNumber(step[key]) ? [`${t + 0.5},${height(step[key])}`] : []));
  const [zero, curve] = byId(`track-${key}`).querySelectorAll("polyline");
  zero.setAttribute("points", `0,${height(0)} ${steps.length},${height(0)}`);
  curve.setAttribute("points", points.join(" "));
}

function buildRuler() {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, steps.length / MOST_TICKS)));
  const every = [1, 2, 5, 10].map((factor) => factor * power).find((each) => steps.length / each <= MOST_TICKS);
  for (let step = 0; step <= lastStep; step += every) {
    byId("track-ruler").append(place(make("span", { class: "tick" }, step), step + 0.5));
  }
}

/** What depends on the size of the window. */
function drawTracks() {
  if (lastStep < 0 || !plot.clientWidth) return;
  drawStrip(byId("track-film"));
  drawAttention(byId("track-attention"));
}

/** As many frames as there is room for. */
function drawStrip(track) {
  if (!track.clientHeight) return; // low windows have no room for it
  const count = Math.max(1, Math.min(steps.length, Math.floor(track.clientWidth / track.clientHeight)));
  const each = steps.length / count;
  const frames = Array.from({ length: count }, (_, number) => {
    const frame = place(make("span", { class: "frame-small" }), number * each, each);
    setPicture(frame, steps[Math.floor((number + 0.5) * each)].seen, "");
    return frame;
  });
  track.replaceChildren(track.querySelector(".label"), ...frames);
}

/** To the right the step that reads, upwards the step of the event that is read; in the color of the main head. */
function drawAttention(track) {
  if (!track.clientHeight) return; // a memory without heads
  const canvas = track.querySelector("canvas");
  const scale = window.devicePixelRatio || 1;
  const width = (canvas.width = Math.round(canvas.clientWidth * scale));
  const height = (canvas.height = Math.round(canvas.clientHeight * scale));
  const strongest = new Float32Array(width * height);
  const headOf = new Uint8Array(width * height);
  const span = (step, size) => {
    const from = Math.round((step * size) / steps.length);
    return [from, Math.min(size, Math.max(from + THINNEST, Math.round(((step + 1) * size) / steps.length)))];
  };
  const fill = ([left, right], [low, high], weight, head) => {
    for (let row = height - high; row < height - low; row += 1) {
      for (let pixel = row * width + left; pixel < row * width + right; pixel += 1) {
        if (weight <= strongest[pixel]) continue;
        strongest[pixel] = weight;
        headOf[pixel] = head;
      }
    }
  };
  steps.forEach(({ read }, step) => {
    read.forEach(({ from }, head) => {
      for (const [origin, , weight] of headsShown.has(head) ? from : []) {
        if (isEvent(origin)) fill(span(step, width), span(origin, height), weight, head);
      }
    });
  });
  const draw = canvas.getContext("2d");
  const image = draw.createImageData(width, height);
  const colors = allHeads.map((head) => colorOf(headColor(head)).match(/\d+/g).slice(0, 3));
  strongest.forEach((weight, pixel) => {
    if (!weight) return;
    image.data.set(colors[headOf[pixel]], 4 * pixel);
    // On a linear scale weak reads could not be seen.
    image.data[4 * pixel + 3] = Math.round(255 * Math.min(1, weight) ** 0.6);
  });
  draw.putImageData(image, 0, 0);
  // A thin line from each step that shows the cue: colored parts of it are reads of the cue.
  draw.globalCompositeOperation = "destination-over";
  draw.fillStyle = colorOf("var(--thread)");
  steps.forEach(({ cue }, step) => {
    if (cue) draw.fillRect(middle(step) * width, Math.round((1 - middle(step)) * height), width, 1);
  });
}

/** The color that a CSS expression has now, with a bright or a dark page, as "rgb(…)". */
function colorOf(expression) {
  byId("scrub").style.color = expression;
  return getComputedStyle(byId("scrub")).color;
}

function drawScrub(step) {
  place(byId("scrub"), step + 0.5);
  plot.setAttribute("aria-valuenow", step);
  plot.setAttribute("aria-valuetext", `step ${step} of ${lastStep}: ${actionName(steps[step].action)}`);
  byId("now").textContent = `step ${step} / ${lastStep}`;
  for (const key of ["gate", "occupancy", "value"]) {
    byId(`track-${key}`).querySelector("b").textContent = fixed(steps[step][key]);
  }
}

const values = steps.map(({ value }) => value);
buildCue();
buildCurve("gate", 0, 1);
buildCurve("occupancy", 0, 1);
buildCurve("value", Math.min(0, ...values), Math.max(0, ...values));
buildRuler();
views.push(drawScrub);
