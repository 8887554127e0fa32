// The script may run before the box is in the page, and before the views in it are made. ipywidgets
// 7 draws its sliders with jQuery, whose handles have no role either; classic notebooks hand over
// `element` as jQuery does.
const here = element[0] || element;
const PLAYER = { play: "Play", pause: "Pause", stop: "Back to the start", retweet: "Repeat" };
const text = (inside, selector) => inside.querySelector(selector)?.textContent ?? "";
const speak = (demo) => {
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
    const does = Object.keys(PLAYER).find((name) => icon.classList.contains("fa-" + name));
    icon.parentElement.setAttribute("aria-label", PLAYER[does] ?? "");
  }
  const picture = demo.querySelector(".widget-image");
  if (picture) picture.alt = text(demo, "[role=status], [role=alert]");
};
const start = (tries) => {
  const demo = here.closest(".histmatch-lab-demo");
  if (!demo) return tries && setTimeout(start, 50, tries - 1);
  speak(demo);
  new MutationObserver(() => speak(demo)).observe(demo, {
    childList: true, subtree: true, characterData: true, attributeFilter: ["class"],
  });
};
start(200);
