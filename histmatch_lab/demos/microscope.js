// The loss microscope, computed in the page: what figures/microscope.py computes, by the same
// formulas, and in the same words. `lens`: K bins over [low, high], the slope s, what is outside.
const AGREE = 1e-9, FAR = 40, WEAK = 0.1, TOP = 2.2, MAP_TOP = 1.5, REACH = 3.5, SIDE = 300;
const sigma = (z) => 1 / (1 + Math.exp(-z));
const bump = (z) => sigma(z) * sigma(-z);
const edge = (lens, k) => lens.low + ((lens.high - lens.low) * k) / lens.bins;
const width = (lens) => (lens.high - lens.low) / lens.bins;

// Adds a pixel's share to the soft CDF: Eq. 1-4, summed up to the right edge of each bin.
const addCdf = (cdf, share, x, lens, mirror = lens.outside === "reflect") => {
  const lost = lens.outside === "clamp" ? 0 : sigma(lens.slope * (lens.low - x));
  for (let k = 0; k < lens.bins; k++) cdf[k] += share * (sigma(lens.slope * (edge(lens, k + 1) - x)) - lost);
  if (lens.outside === "clamp") cdf[lens.bins - 1] += share * sigma(-lens.slope * (lens.high - x));
  if (mirror) for (const end of [lens.low, lens.high]) addCdf(cdf, share, 2 * end - x, lens, false);
  return cdf;
};

// Minus the gradient of Eq. 5 on a pixel at x, times the number of pixels, in intensity.
const pullAt = (x, sign, lens, mirror = lens.outside === "reflect") => {
  const { bins, low, slope } = lens, L = width(lens), clamped = lens.outside === "clamp";
  const first = Math.max(1, Math.floor((x - FAR / slope - low) / L));
  const last = Math.min(clamped ? bins - 1 : bins, Math.ceil((x + FAR / slope - low) / L));
  let sum = 0;
  for (let k = first; k <= last; k++) sum += sign[k - 1] * bump(slope * (edge(lens, k) - x));
  if (!clamped) sum -= lens.signs * bump(slope * (low - x));
  let pull = L * slope * sum;
  if (mirror) for (const end of [low, lens.high]) pull -= pullAt(2 * end - x, sign, lens, false);
  return pull;
};

const ripple = (step) => {
  if (step > 2 * Math.PI) {
    let sum = 1 / 8;
    for (let n = 1; n < 14; n++) sum += (-1) ** n * bump((n * step) / 2);
    return step * sum;
  }
  const x = Math.min((2 * Math.PI ** 2) / step, 700);
  let sum = 0;
  for (let n = 1; n < 14 && n * x <= 700; n += 2) sum += (2 * n * x) / Math.sinh(n * x);
  return sum;
};

// All that is shown of a picture and its target through a lens, its central pixel moved to x.
const look = (photo, target, lens, x) => {
  const { bins } = lens, shares = Float64Array.from(photo.shares);
  shares[photo.levels[photo.center]] -= 1 / photo.levels.length;
  const cdf = new Float64Array(bins), wanted = new Float64Array(bins);
  for (let v = 0; v < 256; v++) {
    if (shares[v] > 0) addCdf(cdf, shares[v], v / 255, lens);
    if (target.shares[v]) addCdf(wanted, target.shares[v], v / 255, lens);
  }
  addCdf(cdf, 1 / photo.levels.length, x, lens);
  const gap = cdf.map((mass, k) => (Math.abs(mass - wanted[k]) < AGREE ? 0 : mass - wanted[k]));
  const sign = gap.map(Math.sign);
  const seen = { ...lens, signs: sign.reduce((a, b) => a + b, 0) };
  const pull = Float64Array.from({ length: 256 }, (_, v) => pullAt(v / 255, sign, seen));
  const felt = pullAt(x, sign, seen), emd = gap.reduce((sum, one) => sum + Math.abs(one), 0);
  let dead = Math.abs(felt) < WEAK ? 1 / photo.levels.length : 0;
  pull.forEach((one, v) => { if (Math.abs(one) < WEAK) dead += shares[v]; });
  const pixel = addCdf(new Float64Array(bins), 1, x, lens);
  return { lens: seen, x, shares, cdf, wanted, gap, sign, pull, felt, emd, dead, pixel };
};

const percent = (share) => `${Math.round(100 * share).toLocaleString("en")}%`;
const describe = ({ lens, x, emd, dead, felt, pixel }, panels) => {
  if (!panels.includes("cdfs")) {
    const alone = Array.from(pixel, (mass, k) => mass - (k ? pixel[k - 1] : 0));
    return `K = ${lens.bins} bins: the pixel at ${x.toFixed(3)} leaves at most ${percent(Math.max(...alone))} of `
      + `itself in one bin, and more than 1% in each of ${alone.filter((share) => share > 0.01).length}.`;
  }
  const uneven = panels.includes("close") ? `Ripple ${percent(ripple(lens.slope * width(lens)))}; ` : "";
  const signed = (felt < 0 ? "-" : "+") + Math.abs(felt).toFixed(2);
  const feels = Math.abs(felt) < 0.005 ? "no pull" : `a pull of ${signed}`;
  return `EMD ${emd.toFixed(1)} of ${lens.bins} bins = ${(emd * width(lens)).toFixed(3)} in intensity. `
    + `${uneven}${percent(dead)} of the pixels feel less than a `
    + `tenth of the exact EMD's pull. The pixel at ${x.toFixed(3)} feels ${feels}.`;
};

// The drawing: each panel is a function of its box in CSS pixels.
const OURS = "#D55E00", TARGET = "#0072B2", MARK = "#CC79A7", LIGHTER = "#E3B505", DARKER = "#7A6BAF";
const SIGNED = [[45, 0, 75], [122, 107, 175], [247, 247, 247], [227, 181, 5], [110, 82, 0]];
const colour = (pull) => {
  const at = Math.min(3.999, Math.max(0, (2 * pull) / MAP_TOP + 2)), k = Math.floor(at), t = at - k;
  return SIGNED[k].map((low, i) => low + t * (SIGNED[k + 1][i] - low));
};

const inkOf = (figure) => {
  const ink = getComputedStyle(figure).color;
  return { ink, faint: `color-mix(in srgb, ${ink} 22%, transparent)`, grey: `color-mix(in srgb, ${ink} 35%, transparent)` };
};

const axes = (g, box, { ink, faint }, { title, x, y, ticks = [0, 0.5, 1], heights, label }) => {
  const to = { x: (v) => box.x + ((v - x[0]) / (x[1] - x[0])) * box.w, y: (v) => box.y + box.h - ((v - y[0]) / (y[1] - y[0])) * box.h };
  g.fillStyle = ink; g.strokeStyle = faint; g.lineWidth = 1;
  g.font = "600 13px system-ui, sans-serif"; g.textAlign = "left"; g.fillText(title, box.x, box.y - 8, box.w);
  g.font = "12px system-ui, sans-serif";
  const line = (...p) => { g.beginPath(); g.moveTo(p[0], p[1]); g.lineTo(p[2], p[3]); g.stroke(); };
  g.textAlign = "right";
  for (const v of heights) { line(box.x, to.y(v), box.x + box.w, to.y(v)); g.fillText(String(v), box.x - 5, to.y(v) + 4); }
  g.textAlign = "center";
  for (const v of ticks) { line(to.x(v), box.y, to.x(v), box.y + box.h); g.fillText(String(v), to.x(v), box.y + box.h + 15); }
  if (label) g.fillText(label, box.x + box.w / 2, box.y + box.h + 30);
  return to;
};

const inside = (g, box, draw) => {
  g.save(); g.beginPath(); g.rect(box.x, box.y - 1, box.w, box.h + 2); g.clip(); draw(); g.restore();
};

const path = (g, points) => { g.beginPath(); points.forEach(([x, y]) => g.lineTo(x, y)); };
const bars = (g, to, lens, heights, style) => {
  g.fillStyle = style;
  for (let k = 0; k < lens.bins; k++) {
    const left = to.x(edge(lens, k)), right = to.x(edge(lens, k + 1));
    g.fillRect(left, to.y(heights[k]), right - left, to.y(0) - to.y(heights[k]));
  }
};
const outline = (g, to, lens, heights, style, dash = []) => {
  path(g, Array.from(heights).flatMap((h, k) => [[to.x(edge(lens, k)), to.y(h)], [to.x(edge(lens, k + 1)), to.y(h)]]));
  g.strokeStyle = style; g.lineWidth = 1.5; g.setLineDash(dash); g.stroke(); g.setLineDash([]);
};
const inBins = (cdf) => cdf.map((mass, k) => 100 * (mass - (k ? cdf[k - 1] : 0)));
const round = (value) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return [1, 1.5, 2, 3, 5, 7, 10].find((n) => n * power >= value * (1 - 1e-9)) * power;
};
const marker = (g, to, { x }) => {
  g.strokeStyle = MARK; g.lineWidth = 2; g.setLineDash([2, 3]);
  path(g, [[to.x(x), to.y.top], [to.x(x), to.y.bottom]]); g.stroke(); g.setLineDash([]);
};
const dot = (g, x, y, fill) => {
  g.beginPath(); g.arc(x, y, 5, 0, 7); g.fillStyle = fill; g.fill();
  g.strokeStyle = MARK; g.lineWidth = 2.5; g.stroke();
};

const image = (photo, shade) => {
  const made = make("canvas", { width: photo.width, height: photo.height }), g = made.getContext("2d");
  const pixels = g.createImageData(photo.width, photo.height), words = new Uint32Array(pixels.data.buffer);
  const table = Uint8ClampedArray.from({ length: 1024 }, (_, i) => (i % 4 < 3 ? shade(i >> 2)[i % 4] : 255));
  const colours = new Uint32Array(table.buffer);
  for (let p = 0; p < words.length; p++) words[p] = colours[photo.levels[p]];
  g.putImageData(pixels, 0, 0);
  return made;
};
const picture = (g, box, { ink }, photo, title, shade, fill) => {
  const scale = Math.min(box.w / photo.width, box.h / photo.height);
  g.fillStyle = ink; g.font = "600 13px system-ui, sans-serif"; g.textAlign = "left"; g.fillText(title, box.x, box.y - 8);
  g.drawImage(image(photo, shade), box.x, box.y, scale * photo.width, scale * photo.height);
  const row = Math.floor(photo.center / photo.width), column = photo.center % photo.width;
  dot(g, box.x + scale * column, box.y + scale * row, fill);
};

const histogram = (targets, g, box, ink, view) => {
  const { lens } = view, counted = new Float64Array(lens.bins);
  const binOf = (v) => Math.min(lens.bins - 1, Math.max(0, Math.floor((v - lens.low) / width(lens) + 1e-9)));
  view.shares.forEach((share, v) => { counted[binOf(v / 255)] += 100 * share; });
  const wanted = inBins(view.wanted), alone = inBins(view.pixel);
  const high = (heights) => Array.from(heights).sort((a, b) => a - b)[Math.floor(0.98 * (lens.bins - 1))];
  const top = round(1.1 * Math.max(high(counted), high(wanted))), peak = Math.max(...alone);
  const to = axes(g, box, ink, { title: `% of pixels: counted (grey), soft${targets ? ", target (dashed)" : ""}`, x: [0, 1], y: [0, top], heights: [0, top / 2, top], label: targets ? "" : "intensity" });
  inside(g, box, () => {
    bars(g, to, lens, counted, ink.grey);
    bars(g, to, lens, alone.map((h) => (0.7 * top * h) / peak), "rgb(204 121 167 / 40%)");
    outline(g, to, lens, inBins(view.cdf), OURS);
    if (targets) outline(g, to, lens, wanted, TARGET, [5, 3]);
  });
  return to;
};

const PANELS = {
  photo: (g, box, ink, view, photo) => picture(g, box, ink, photo, "The picture (green)", (v) => [v, v, v], `rgb(${[view.x, view.x, view.x].map((v) => 255 * v)})`),
  map: (g, box, ink, view, photo) => picture(g, box, ink, photo, "Yellow: made lighter. Violet: darker", (v) => colour(view.pull[v]), `rgb(${colour(view.felt)})`),
  histogram: (...place) => histogram(false, ...place),
  histograms: (...place) => histogram(true, ...place),
  cdfs: (g, box, ink, view) => {
    const { lens, cdf, wanted } = view;
    const to = axes(g, box, ink, { title: "CDFs: the area between is the EMD", x: [0, 1], y: [0, 1.05], heights: [0, 0.5, 1] });
    const points = (mass) => [[to.x(lens.low), to.y(0)], ...Array.from(mass, (m, k) => [to.x(edge(lens, k + 1)), to.y(m)])];
    inside(g, box, () => {
      const one = points(cdf), other = points(wanted);
      for (let k = 0; k < lens.bins; k++) {
        path(g, [one[k], one[k + 1], other[k + 1], other[k]]);
        g.fillStyle = cdf[k] > wanted[k] ? LIGHTER : DARKER; g.globalAlpha = 0.5; g.fill(); g.globalAlpha = 1;
      }
      for (const [mass, style, dash] of [[one, OURS, []], [other, TARGET, [5, 3]]]) {
        path(g, mass); g.strokeStyle = style; g.lineWidth = 1.8; g.setLineDash(dash); g.stroke(); g.setLineDash([]);
      }
    });
    g.fillStyle = ink.ink; g.textAlign = "right"; g.font = "12px system-ui, sans-serif";
    g.fillText(`EMD ${view.emd.toFixed(1)} bins = ${(view.emd * width(lens)).toFixed(3)}`, box.x + box.w - 6, box.y + box.h - 10);
    return to;
  },
  close: (g, box, ink, view) => {
    const { lens, x, sign } = view, L = width(lens), step = lens.slope * L;
    const height = (z) => step * bump(step * z), place = (k) => (edge(lens, k) - x) / L;
    const to = axes(g, box, ink, { title: "The pixel, close up", x: [-REACH, REACH], y: [0, 1.15], ticks: [-2, 0, 2], heights: [0, 0.5, 1], label: "bins from the pixel" });
    inside(g, box, () => {
      const alone = inBins(view.pixel);
      for (let k = 0; k < lens.bins; k++) {
        if (Math.abs(place(k)) > REACH + 1) continue;
        g.fillStyle = "rgb(204 121 167 / 40%)";
        g.fillRect(to.x(place(k)), to.y(alone[k] / 100), to.x(1) - to.x(0), to.y(0) - to.y(alone[k] / 100));
        const s = k ? sign[k - 1] : 0;
        if (s) { path(g, [[to.x(place(k)), to.y(0)], [to.x(place(k)), to.y(height(place(k)))]]); g.strokeStyle = s > 0 ? LIGHTER : DARKER; g.lineWidth = 3; g.stroke(); }
      }
      path(g, Array.from({ length: 501 }, (_, i) => REACH * (i / 250 - 1)).map((z) => [to.x(z), to.y(height(z))]));
      g.strokeStyle = MARK; g.lineWidth = 1.8; g.stroke();
    });
  },
  pulls: (g, box, ink, view) => {
    const { lens, sign } = view;
    const to = axes(g, box, ink, { title: "The pull on a pixel there (exact: ±1)", x: [0, 1], y: [-TOP - 0.1, TOP + 0.1], heights: [-1, 0, 1], label: "intensity" });
    const places = new Set(Array.from({ length: 401 }, (_, i) => i / 400));
    for (let k = 0; k <= lens.bins; k++) for (const near of [-8, -3, -1, 0, 1, 3, 8]) {
      if (Math.abs(near / lens.slope) < width(lens) / 2) places.add(edge(lens, k) + near / lens.slope);
      places.add(edge(lens, k) + width(lens) / 2);
    }
    const along = [...places].filter((v) => v >= 0 && v <= 1).sort((a, b) => a - b).map((v) => [v, pullAt(v, sign, lens)]);
    for (const [low, high, style] of [[0, TOP, LIGHTER], [-TOP, 0, DARKER]]) {
      path(g, [[0, 0], ...along, [1, 0]].map(([v, p]) => [to.x(v), to.y(Math.min(high, Math.max(low, p)))]));
      g.fillStyle = style; g.fill(); g.strokeStyle = style; g.lineWidth = 0.8; g.stroke();
    }
    dot(g, to.x(view.x), to.y(Math.max(-TOP, Math.min(view.felt, TOP))), MARK);
    g.fillStyle = ink.ink; g.textAlign = "right"; g.font = "12px system-ui, sans-serif";
    g.fillText(`on the pixel: ${(view.felt < 0 ? "" : "+") + view.felt.toFixed(2)}`, box.x + box.w - 6, box.y + 14);
    return to;
  },
};

// Two columns, or one on a phone. Panels in the order of reading.
const LEFT = ["photo", "map", "close"], RIGHT = ["histogram", "histograms", "cdfs", "pulls"];
const layout = (wide, panels) => {
  const boxes = {}, [gap, head, foot] = [56, 26, 36];
  const order = wide < 620 ? [["photo", "map", ...RIGHT, "close"]] : [LEFT, RIGHT];
  const columns = order.map((names) => names.filter((name) => panels.includes(name)));
  const widths = columns.length === 1 ? [wide] : [0.36 * (wide - gap), 0.64 * (wide - gap)];
  // all six panels of two columns are in view together with their controls
  const [low, high] = columns.length > 1 && panels.length > 4 ? [108, 96] : [150, 104];
  let left = 0, tall = 0;
  columns.forEach((names, c) => {
    let top = 0;
    for (const name of names) {
      const flat = name === "photo" || name === "map", pad = flat ? 0 : 36;
      const h = flat ? Math.min((widths[c] * 2) / 3, low) : high;
      boxes[name] = { x: left + pad, y: top + head, w: widths[c] - pad - 8, h };
      top += head + h + (flat ? 10 : ["histogram", "pulls", "close"].includes(name) ? foot : 22);
    }
    tall = Math.max(tall, top);
    left += widths[c] + gap;
  });
  return { boxes, tall };
};

const read = async (source) => {
  const opened = typeof source === "string" ? Object.assign(new Image(), { src: source }) : await createImageBitmap(source);
  await opened.decode?.();
  const factor = Math.min(1, SIDE / Math.max(opened.width, opened.height));
  const [w, h] = [opened.width, opened.height].map((side) => Math.max(1, Math.round(side * factor)));
  const g = make("canvas", { width: w, height: h }).getContext("2d");
  g.imageSmoothingQuality = "high";
  g.drawImage(opened, 0, 0, w, h);
  const { data } = g.getImageData(0, 0, w, h), levels = new Uint8Array(w * h), shares = new Float64Array(256);
  for (let p = 0; p < levels.length; p++) levels[p] = data[4 * p + 1];
  levels.forEach((v) => { shares[v] += 1 / levels.length; });
  return { levels, shares, width: w, height: h, center: (h >> 1) * w + (w >> 1) };
};

const microscope = async (figure, data) => {
  const photos = {};
  for (const [name, source] of Object.entries(data.photos)) photos[name] = await read(source);
  const box = figure.querySelector(".picture"), canvas = make("canvas"), line = figure.querySelector("figcaption p");
  canvas.setAttribute("role", "img");
  let due = false;
  const draw = () => {
    due = false;
    const { alpha, bins, bandwidth, extent, outside, pixel, photo, target } = { ...data.fixed, ...panel.values() };
    const [low, high] = data.ranges[extent], slope = bandwidth === "1" ? alpha : (2.5 * alpha * bins) / (high - low);
    const view = look(photos[photo], photos[target ?? photo], { bins, slope, low, high, outside }, pixel);
    const wide = box.clientWidth, ratio = Math.max(2, window.devicePixelRatio || 1), { boxes, tall } = layout(wide, data.panels);
    Object.assign(canvas, { width: wide * ratio, height: tall * ratio });
    const g = canvas.getContext("2d"), ink = inkOf(figure);
    g.scale(ratio, ratio);
    for (const name of data.panels) {
      const to = PANELS[name](g, boxes[name], ink, view, photos[photo]);
      if (to) marker(g, { x: to.x, y: { top: boxes[name].y, bottom: boxes[name].y + boxes[name].h } }, view);
    }
    line.textContent = describe(view, data.panels);
    canvas.setAttribute("aria-label", `${data.title}. ${line.textContent}`);
    figure.view = view;
  };
  const redraw = () => { if (!due) { due = true; requestAnimationFrame(draw); } };
  const panel = controls(figure, data, redraw, async (file, spec) => {
    photos[file.name] = await read(file);
    return file.name;
  });
  box.replaceChildren(canvas);
  box.classList.add("computed");
  new ResizeObserver(redraw).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  draw();
};
