// The controls of a demo where no kernel runs, and its pictures: drawn before, or computed here.

// One row for each control: a slider, or a button for each choice. `moved(i, at)` hears of a move;
// `open(file)` reads a picture of the reader's own and returns its name.
const controls = (figure, { controls: specs, presets }, moved, open) => {
  const box = figure.querySelector(".settings"), rows = [];
  const at = specs.map((spec) => spec.at);
  const put = (places) => places.forEach((place, i) => { at[i] = place; rows[i](place); });
  const move = (i, place) => { at[i] = place; rows[i](place); moved(i, place); };
  if (presets.length) {
    const group = make("div", { className: "presets" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Presets");
    for (const preset of presets) {
      const button = group.appendChild(make("button", { type: "button", textContent: preset.name }));
      button.addEventListener("click", () => { put(preset.at.map((place, i) => place ?? at[i])); moved(); });
    }
    box.append(group);
  }
  specs.forEach((spec, i) => {
    const row = box.appendChild(make(spec.kind === "slider" ? "label" : "div", { className: "row", title: spec.hint }));
    row.append(make("span", { className: "name", textContent: spec.label }));
    if (spec.kind === "slider") {
      const input = make("input", { type: "range", min: 0, max: spec.texts.length - 1, step: 1 });
      const said = make("span", { className: "value" });
      said.setAttribute("aria-hidden", "true");
      input.dataset.lmSuppressShortcuts = "true";
      input.addEventListener("input", () => move(i, Number(input.value)));
      row.append(input, said);
      rows.push((place) => {
        input.value = place;
        said.textContent = spec.texts[place];
        input.setAttribute("aria-valuetext", spec.texts[place]);
      });
      if (spec.plays) row.after(player(input, spec));
      return;
    }
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", spec.label);
    const choices = row.appendChild(make("span", { className: "choices" })), buttons = [];
    const add = (text) => {
      const place = buttons.length, button = make("button", { type: "button", textContent: text });
      button.addEventListener("click", () => move(i, place));
      buttons.push(choices.appendChild(button));
    };
    spec.texts.forEach(add);
    if (open && spec.kind === "photograph") choices.append(own(async (file) => {
      spec.values.push(await open(file));
      add(`yours: ${file.name}`);
      move(i, buttons.length - 1);
    }));
    rows.push((place) => buttons.forEach((button, j) => button.setAttribute("aria-pressed", j === place)));
  });
  put(at);
  return { at, put, values: () => Object.fromEntries(specs.map((spec, i) => [spec.name, spec.values[at[i]]])) };
};

const own = (open) => {
  const input = make("input", { type: "file", accept: "image/*", hidden: true });
  const button = make("button", { type: "button", textContent: "your own …" }), problem = make("span", { className: "problem" });
  problem.setAttribute("role", "alert");
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    problem.textContent = "";
    try {
      if (file) await open(file);
    } catch {
      problem.textContent = `${file.name} must be a picture that this browser can open`;
    }
  });
  return make("span", {}, button, input, problem);
};

const player = (input, spec) => {
  const button = make("button", { type: "button", textContent: "Play" });
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const go = (place) => { input.value = place; input.dispatchEvent(new Event("input")); };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (input.value === input.max) go(0);
    button.textContent = "Pause";
    timer = setInterval(() => {
      if (input.value === input.max) return stop();
      go(Number(input.value) + 1);
    }, 400);
  });
  return button;
};

// Pictures drawn before. `states` has those places of the controls, "0,3,1", of which there is one;
// from any other, the controls that do not combine go back to where they began.
const drawn = (figure, data) => {
  const line = figure.querySelector("figcaption p"), box = figure.querySelector(".picture"), { under, over: after } = pane(box);
  const over = box.insertBefore(make("img", { alt: "", hidden: true, className: "over" }), under.nextSibling);
  const start = data.controls.map((spec) => spec.at);
  const show = (frame) => {
    over.hidden = !frame.src;
    if (frame.src) over.src = frame.src;
    if (frame.after) after.src = frame.after;
    box.classList.toggle("two", Boolean(frame.after));
    box.style.setProperty("--ratio", frame.ratio);
    line.textContent = frame.caption;
    under.alt = `${data.title}. ${frame.caption}`;
  };
  const panel = controls(figure, data, (i, place) => {
    const alone = start.map((first, j) => (j === i ? place : first));
    const kept = data.together.includes(i) ? alone.map((first, j) => (data.together.includes(j) ? panel.at[j] : first)) : alone;
    const found = [panel.at, kept, alone].find((places) => places.join() in data.states);
    panel.put([...found]);
    show(data.frames[data.states[found.join()]]);
  });
  show(data.frames[data.states[start.join()]]);
  measure(figure, box);
  // All of them are fetched when the figure comes into view, so that a moved slider never waits.
  const near = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    near.disconnect();
    for (const { src, after } of data.frames) for (const one of [src, after]) if (one) new Image().src = one;
  });
  near.observe(figure);
};

// Each demo of the page comes to life once.
document.querySelectorAll(".histmatch-demo:not([data-alive])").forEach((figure) => {
  figure.dataset.alive = "";
  const data = JSON.parse(figure.querySelector("script[type]").textContent);
  (data.panels ? microscope : drawn)(figure, data);
});
