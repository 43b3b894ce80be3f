/* The time line: everything over time on one axis. Step t of T takes [t/T, (t+1)/T) of the width. */

const THINNEST = 2; // pixels, so that one step of a long episode can be seen
const plot = byId("plot");
const middle = (step) => (step + 0.5) / steps.length;
const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Whether a track can be seen: some have nothing to show, and low windows have no room for all. */
const isVisible = (track) => byId(track).clientHeight > 0;

/** Clear a track's canvas and give it the screen's own pixels; return its context and size. */
function canvasOf(track) {
  const canvas = byId(track).querySelector("canvas");
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return { draw: canvas.getContext("2d"), width: canvas.width, height: canvas.height, scale };
}

function drawTracks() {
  if (lastStep < 0 || !plot.clientWidth) return;
  drawStrip();
  drawCue();
  drawAttention();
  drawCurve("track-gate", "gate", 0, 1);
  drawCurve("track-occupancy", "occupancy", 0, 1);
  const values = steps.map(({ value }) => value);
  drawCurve("track-value", "value", Math.min(0, ...values), Math.max(0, ...values));
  drawRuler();
}

/** As many frames as there is room for. */
function drawStrip() {
  const track = byId("track-film");
  if (!isVisible(track.id)) return;
  const count = Math.max(1, Math.min(steps.length, Math.floor(track.clientWidth / track.clientHeight)));
  const frames = Array.from({ length: count }, (_, place) => {
    const { seen } = steps[Math.floor((place + 0.5) * (steps.length / count))];
    const frame = make("span", { class: "frame-small" });
    frame.style.left = `${(100 * place) / count}%`;
    frame.style.width = `${100 / count}%`;
    setPicture(frame, seen, "");
    return frame;
  });
  track.replaceChildren(track.querySelector(".label"), ...frames);
}

function drawCue() {
  if (!isVisible("track-cue")) return;
  const { draw, width, height } = canvasOf("track-cue");
  draw.fillStyle = colorOf("--ink");
  steps.forEach(({ cue }, step) => {
    const left = Math.floor((step * width) / steps.length);
    if (cue) draw.fillRect(left, 0, Math.max(THINNEST, Math.ceil(width / steps.length)), height);
  });
}

/** Attention: to the right the step that reads, upwards the step of the event that is read; color of the main head. */
function drawAttention() {
  if (!isVisible("track-attention")) return;
  const { draw, width, height } = canvasOf("track-attention");
  const strongest = new Float32Array(width * height);
  const headOf = new Uint8Array(width * height);
  const span = (index, size) => {
    const from = Math.round((index * size) / steps.length);
    return [from, Math.min(size, Math.max(from + THINNEST, Math.round(((index + 1) * size) / steps.length)))];
  };
  steps.forEach(({ read }, step) => {
    const [left, right] = span(step, width);
    read.forEach(({ from }, head) => {
      if (!headsShown.has(head)) return;
      for (const [origin, , weight] of from) {
        if (!isEvent(origin)) continue;
        const [low, high] = span(origin, height);
        for (let row = height - high; row < height - low; row += 1) {
          for (let place = row * width + left; place < row * width + right; place += 1) {
            if (weight <= strongest[place]) continue;
            strongest[place] = weight;
            headOf[place] = head;
          }
        }
      }
    });
  });
  const rgb = (name) => colorOf(name).match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const colors = allHeads.map((head) => rgb(`--head-${head % 7}`));
  const image = draw.createImageData(width, height);
  strongest.forEach((weight, place) => {
    if (!weight) return;
    image.data.set(colors[headOf[place]], 4 * place);
    // On a linear scale weak reads could not be seen.
    image.data[4 * place + 3] = Math.round(255 * Math.min(1, weight) ** 0.6);
  });
  draw.putImageData(image, 0, 0);
  // A thin line from each step that shows the cue: colored parts of it are reads of the cue.
  draw.globalCompositeOperation = "destination-over";
  draw.fillStyle = colorOf("--thread");
  steps.forEach(({ cue }, step) => {
    if (cue) draw.fillRect(middle(step) * width, Math.round((1 - middle(step)) * height), width, 1);
  });
}

function drawCurve(track, key, low, high) {
  if (!isVisible(track)) return;
  const { draw, width, height, scale } = canvasOf(track);
  const inset = 2 * scale;
  const heightOf = (value) => height - inset - ((value - low) / (high - low || 1)) * (height - 2 * inset);
  draw.strokeStyle = colorOf("--line");
  draw.lineWidth = scale;
  draw.beginPath();
  draw.moveTo(0, heightOf(0));
  draw.lineTo(width, heightOf(0));
  draw.stroke();
  draw.strokeStyle = colorOf("--accent");
  draw.lineWidth = 1.5 * scale;
  draw.lineJoin = "round";
  draw.beginPath();
  steps.forEach((step, index) => {
    if (isNumber(step[key])) draw.lineTo(middle(index) * width, heightOf(step[key]));
  });
  draw.stroke();
}

function drawRuler() {
  const { draw, width, height, scale } = canvasOf("track-ruler");
  const wanted = (steps.length * 56 * scale) / width;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, wanted)));
  const every = [1, 2, 5, 10].map((factor) => factor * power).find((distance) => distance >= wanted) ?? power;
  draw.fillStyle = colorOf("--dim");
  draw.font = `${11 * scale}px system-ui, sans-serif`;
  draw.textAlign = "center";
  for (let step = 0; step <= lastStep; step += every) {
    draw.fillRect(Math.round(middle(step) * width), 0, scale, 4 * scale);
    draw.fillText(step, Math.max(10 * scale, middle(step) * width), height - 2 * scale);
  }
}

function drawScrub(step) {
  byId("scrub").style.left = `${100 * middle(step)}%`;
  plot.setAttribute("aria-valuenow", step);
  plot.setAttribute("aria-valuetext", `step ${step} of ${lastStep}: ${actionName(steps[step].action)}`);
  byId("now").textContent = `step ${step} / ${lastStep}`;
  for (const key of ["gate", "occupancy", "value"]) {
    byId(`track-${key}`).querySelector("b").textContent = fixed(steps[step][key]);
  }
}

views.push(drawScrub);
