// Brings each demo of the page to life; one that lives already is left alone.
document.querySelectorAll(".histmatch-demo:not([data-alive])").forEach((root) => {
  root.dataset.alive = "";
  const { frames, sweeps } = JSON.parse(root.querySelector("script[type]").textContent);
  // Of each frame there is only what differs from the first picture, to be laid over it.
  const [image, over] = root.querySelectorAll("img"), line = root.querySelector("[role=status]");
  const title = root.getAttribute("aria-label");
  const inputs = [...root.querySelectorAll("input")];
  const put = (input, sweep, at) => {
    input.value = at;
    input.setAttribute("aria-valuetext", sweep.stops[at]);
    input.nextElementSibling.textContent = sweep.stops[at];
  };
  const move = (i) => {
    const at = Number(inputs[i].value), frame = frames[sweeps[i].frames[at]];
    inputs.forEach((input, j) => put(input, sweeps[j], j === i ? at : sweeps[j].at));
    over.hidden = !frame.src;
    if (frame.src) over.src = frame.src;
    image.alt = title + ". " + frame.says;
    line.textContent = frame.says;
  };
  inputs.forEach((input, i) => input.addEventListener("input", () => move(i)));
  root.querySelectorAll("button").forEach((button) => {
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
