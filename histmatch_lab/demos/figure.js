// What a demo is in the browser: its picture and line, and the upload of a picture of one's own.
// In a notebook anywidget runs this, on a page without a kernel page.js does.
const WIDEST = 900; // CSS pixels of a figure
// ms without news until the full picture is asked for: after a key, which may be repeated, and while
// the pointer holds still; once it is let go, at once
const SETTLE = 60, HELD = 400;
const PHOTO_SIDE = 600, MOST_BYTES = 2e7;

const make = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

// The pictures in a box: `show` puts their sources, once they are decoded, and in their order. A
// second one lies over the first, right of a line that is dragged on the picture.
const pane = (box) => {
  const under = box.querySelector("img") ?? box.appendChild(make("img", { alt: "" }));
  const over = make("img", { alt: "", className: "after" });
  const line = make("input", { type: "range", step: "any", value: 50, className: "line" });
  line.setAttribute("aria-label", "The line between before and after, in %");
  line.addEventListener("input", () => box.style.setProperty("--line", `${line.value}%`));
  line.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take its arrow keys
  const night = box.querySelector(".night") ?? make("div", { className: "night" });
  box.append(over, make("div", { className: "stroke" }), night, line);
  let asked = 0, shown = 0;
  return {
    under, over,
    async show([before, after], { night: hole, width, height } = {}) {
      const turn = ++asked;
      await Promise.all([before, after].filter(Boolean).map((src) => Object.assign(new Image(), { src }).decode()));
      if (turn < shown) return false;
      shown = turn;
      under.src = before;
      if (after) over.src = after;
      box.classList.toggle("two", Boolean(after));
      if (hole) night.style.clipPath = hole;
      if (width) Object.assign(under, { width: WIDEST, height: Math.round((WIDEST * height) / width) });
      if (width) box.style.setProperty("--ratio", width / height);
      return true;
    },
  };
};

// Tells CSS how high all but the picture is, so that both are in view together.
const measure = (demo, box) => box.style.setProperty("--around", `${demo.clientHeight - box.clientHeight}px`);

// What ipywidgets leaves a screen reader to guess: the names of its sliders, the words beside them,
// whether a button is pressed. Asked again with each picture, as any change brings one.
const PLAYER = { play: "Play", pause: "Pause", stop: "Back to the start", retweet: "Repeat" };
const text = (inside, selector) => inside.querySelector(selector)?.textContent ?? "";
const name = (demo) => {
  for (const row of demo.querySelectorAll(".widget-slider, .widget-hslider")) {
    const handle = row.querySelector(".noUi-handle, .ui-slider-handle");
    handle?.setAttribute("role", "slider");
    handle?.setAttribute("aria-label", text(row, ".widget-label"));
    handle?.setAttribute("aria-valuetext", text(row, ".widget-readout"));
  }
  for (const row of demo.querySelectorAll(".widget-toggle-buttons")) {
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", text(row, ".widget-label"));
    for (const button of row.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
    }
  }
  for (const icon of demo.querySelectorAll(".widget-play button i")) {
    const does = Object.keys(PLAYER).find((kind) => icon.classList.contains("fa-" + kind));
    icon.parentElement.setAttribute("aria-label", PLAYER[does] ?? "");
  }
};

// A kernel's picture: a coarse one while a control moves, then the full one, which is asked for.
const live = (model, el) => {
  const box = el.appendChild(make("div", { className: "picture" }));
  const line = el.appendChild(make("p"));
  const { under, show } = pane(box);
  // moved: drafts came while the pointer was down; owed: a full picture is on its way
  let timer, held = false, moved = false, owed = false, pause = SETTLE, last = 0;
  // ipywidgets tells the kernel of a place only when it has drawn the one before. So when a slider is
  // let go, where it stands is sent along with the question.
  const touched = new Set();
  let controls = [];
  const place = (control) => {
    const key = control.get("index") === undefined ? "value" : "index";
    return touched.has(control) ? { [key]: control.get(key) } : null;
  };
  const grasp = async () => {
    touched.clear();
    if (controls.length) return;
    const ids = model.get("controls").map((reference) => reference.replace("IPY_MODEL_", ""));
    controls = await Promise.all(ids.map((id) => model.widget_manager.get_model(id)));
    controls.forEach((control) => control.on("change", () => touched.add(control)));
  };
  const hold = ({ type }) => {
    held = type === "pointerdown";
    pause = held || type === "keydown" ? SETTLE : 0;
    moved &&= !held;
    owed &&= pause === 0;
    if (held) grasp();
    else if (moved && pause === 0) ask();
    else if (timer) settle();
  };
  const events = ["keydown", "pointerdown", "pointerup", "pointercancel"];
  events.forEach((event) => window.addEventListener(event, hold, true));
  const waitNoMore = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const ask = () => {
    waitNoMore();
    if (el.isConnected && held && performance.now() - last < HELD) return settle();
    const places = moved && pause === 0 ? controls.map(place) : [];
    owed = places.length > 0;
    moved = false;
    const scale = Math.min(3, Math.max(2, window.devicePixelRatio || 1));
    model.send({ scale, places });
  };
  const settle = () => {
    waitNoMore();
    timer = setTimeout(ask, pause);
  };
  const say = (caption = model.get("caption")) => {
    const problem = model.get("problem"), demo = el.closest(".histmatch-lab-demo");
    line.setAttribute("role", problem ? "alert" : "status");
    line.className = problem ? "problem" : "";
    line.textContent = problem || caption;
    under.alt = caption;
    if (demo) name(demo);
  };
  model.on("change:caption", () => say());
  model.on("change:problem", () => {
    owed = false;
    say();
  });
  model.on("msg:custom", async (about, buffers) => {
    last = performance.now();
    waitNoMore();
    moved ||= held && about.draft;
    owed &&= about.draft;
    if (owed) return; // the full picture is on its way
    if (about.draft) settle();
    const sources = buffers.map((buffer) => URL.createObjectURL(new Blob([buffer])));
    if (await show(sources, about)) say(about.caption);
    sources.forEach((source) => setTimeout(URL.revokeObjectURL, 1000, source));
  });
  const still = document.getElementById(model.get("still"));
  const lives = (alive) => {
    if (still) still.hidden = alive;
    el.closest(".histmatch-lab-demo")?.toggleAttribute("hidden", !alive);
  };
  lives(true);
  model.on("comm_live_update", () => lives(false)); // the kernel is gone
  say();
  ask();
  // the controls are drawn after the picture, and the kernel's answer may come before or long after
  let looks = 0;
  const naming = setInterval(() => {
    const demo = el.closest(".histmatch-lab-demo");
    if (demo) name(demo);
    if (demo) measure(demo, box);
    if (++looks === 40) clearInterval(naming);
  }, 250);
  return () => {
    waitNoMore();
    clearInterval(naming);
    events.forEach((event) => window.removeEventListener(event, hold, true));
  };
};

// A picture from the reader's disk, made small here: a photograph of 12 megapixels would not pass.
const shrink = async (file) => {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} must be at most 20 MB, got ${Math.round(file.size / 1e6)} MB`);
    return { blob: file, scaled: false }; // the kernel may know its format
  }
  const factor = Math.min(1, PHOTO_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * factor)));
  const canvas = make("canvas", { width, height }), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  return { blob, scaled: true };
};

const upload = (model, el) => {
  const input = make("input", { type: "file", accept: model.get("accept"), hidden: true });
  const button = make("button", { type: "button", textContent: "your own …", title: "Open a picture of your own" });
  const bar = make("progress", { hidden: true }), problem = make("span", { className: "problem" });
  button.className = "jupyter-button widget-button lm-Widget jupyter-widgets";
  bar.setAttribute("aria-label", "Sending the picture");
  problem.setAttribute("role", "alert");
  el.append(button, input, bar, problem);
  const say = (text) => { problem.textContent = text; bar.hidden = true; };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    say("");
    bar.hidden = false;
    try {
      const { blob, scaled } = await shrink(file);
      model.send({ name: file.name, scaled }, undefined, [await blob.arrayBuffer()]);
    } catch (error) {
      say(error.message);
    }
    input.value = "";
  });
  model.on("msg:custom", (answer) => say(answer.problem));
};

const render = ({ model, el }) => (model.get("kind") === "upload" ? upload : live)(model, el);
export default { render };
