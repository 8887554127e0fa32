// Brings each demo of the page to life; one that lives already is left alone.
document.querySelectorAll(".histmatch-demo:not([data-alive])").forEach((root) => {
  root.dataset.alive = "";
  const { frames, sweeps, presets } = JSON.parse(root.querySelector("script[type]").textContent);
  // Of each frame there is only what differs from the first picture, to be laid over it.
  const [image, over] = root.querySelectorAll("img"), line = root.querySelector("[role=status]");
  const title = root.getAttribute("aria-label");
  const inputs = [...root.querySelectorAll("input")];
  const put = (input, sweep, at) => {
    input.value = at;
    input.setAttribute("aria-valuetext", sweep.positions[at]);
    input.nextElementSibling.textContent = sweep.positions[at];
  };
  const show = (frame, at) => {
    inputs.forEach((input, i) => put(input, sweeps[i], at[i]));
    over.hidden = !frame.src;
    if (frame.src) over.src = frame.src;
    image.alt = title + ". " + frame.caption;
    line.textContent = frame.caption;
  };
  const move = (i) => {
    const at = Number(inputs[i].value);
    show(frames[sweeps[i].frames[at]], sweeps.map((sweep, j) => (j === i ? at : sweep.at)));
  };
  inputs.forEach((input, i) => input.addEventListener("input", () => move(i)));
  root.querySelectorAll(".presets button").forEach((button, i) => {
    button.addEventListener("click", () => show(frames[presets[i].frame], presets[i].at));
  });
  root.querySelectorAll(".controls button").forEach((button) => {
    const i = inputs.indexOf(button.previousElementSibling.querySelector("input"));
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (inputs[i].value === inputs[i].max) inputs[i].value = 0;
      button.textContent = "Pause";
      timer = setInterval(() => {
        if (inputs[i].value === inputs[i].max) return stop();
        inputs[i].stepUp();
        move(i);
      }, 400);
    });
  });
});
