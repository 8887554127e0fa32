// The list of pages, the way to the previous and the next one, the search, formulas, and what
// scrolls. CONTENTS comes from contents.js.
{
  const element = (tag, text, attributes = {}) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.textContent = text;
    return made;
  };
  const link = (page, text, attributes) => element("a", text, { href: page.file, ...attributes });

  const here = CONTENTS.findIndex((page) => location.pathname.endsWith("/" + page.file));
  const pages = document.querySelector(".pages details");
  CONTENTS.forEach((page, at) => {
    const item = document.createElement("li");
    item.append(link(page, page.title, at === here ? { ariaCurrent: "page" } : {}));
    pages.querySelector("ol").append(item);
  });
  const wide = matchMedia("(min-width: 64em)");
  const unfold = () => { pages.open = wide.matches; };
  wide.addEventListener("change", unfold);
  unfold();

  const steps = document.querySelector(".steps");
  const previous = CONTENTS[here - 1], next = CONTENTS[here + 1];
  if (previous) steps.append(link(previous, "← " + previous.title, { rel: "prev" }));
  if (next) steps.append(link(next, next.title + " →", { rel: "next" }));
  if (!steps.children.length) steps.remove();

  const field = document.querySelector("#search"), form = field.form;
  const status = form.querySelector("[role=status]"), list = form.querySelector("ol");
  const SHOWN = 12, AROUND = 60;
  const sections = CONTENTS.flatMap((page) => page.sections.map((section) => ({
    ...section,
    page,
    low: [section.heading, section.text].map((text) => text.toLowerCase()),
  })));

  // Headings first, then pages whose title has the word, then where it is said often, not in passing.
  const rank = ({ low: [heading, text], page }, words) => words.reduce((sum, word) => sum
    + 10 * heading.includes(word) + 3 * page.title.toLowerCase().includes(word)
    + (text.split(word).length - 1) / Math.sqrt(1 + text.length / 400), 0);
  const find = (words) => sections
    .filter(({ low }) => words.every((word) => low.some((text) => text.includes(word))))
    .map((section) => [rank(section, words), section])
    .sort(([a], [b]) => b - a)
    .map(([, section]) => section);

  const excerpt = ({ text, low }, word) => {
    const at = low[1].indexOf(word), made = document.createElement("small");
    if (at < 0) return made;
    const start = Math.max(0, at - AROUND), end = at + word.length;
    made.append(
      start ? "…" : "", text.slice(start, at), element("mark", text.slice(at, end)),
      text.slice(end, end + AROUND), "…",
    );
    return made;
  };

  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? find(words) : [];
    list.replaceChildren(...found.slice(0, SHOWN).map((section) => {
      const { page, id, heading } = section, item = document.createElement("li");
      const text = heading === page.sections[0].heading ? page.title : page.title + ": " + heading;
      item.append(link(page, text, { href: page.file + "#" + encodeURIComponent(id) }));
      item.append(excerpt(section, words[0]));
      return item;
    }));
    const more = found.length > SHOWN ? `, the first ${SHOWN} are shown` : "";
    status.textContent = words.length ? `${found.length} found${more}` : "";
  };
  field.addEventListener("input", search);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    field.value = "";
    field.focus();
    search();
  });
  list.addEventListener("click", () => { field.value = ""; search(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });

  document.querySelectorAll(".formula").forEach((formula) => {
    const displayMode = formula.classList.contains("display");
    katex.render(formula.textContent, formula, { displayMode, throwOnError: false });
  });

  // plotly is large: it comes with the first of its figures that comes near.
  let plotly;
  const load = () => plotly ??= new Promise((done) => {
    document.head.append(Object.assign(document.createElement("script"), { src: "plotly/plotly-cartesian.min.js", onload: done }));
  });
  const near = new IntersectionObserver((entries) => entries.forEach(async ({ target, isIntersecting }) => {
    if (!isIntersecting) return;
    near.unobserve(target);
    await load();
    const { data, layout } = JSON.parse(target.querySelector("script").textContent);
    const box = target.querySelector("div");
    box.replaceChildren();
    const seen = { paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: getComputedStyle(box).color } };
    await Plotly.newPlot(box, data, { ...layout, ...seen }, { responsive: true, displaylogo: false });
  }), { rootMargin: "300px" });
  document.querySelectorAll(".hover").forEach((figure) => near.observe(figure));

  // What scrolls in itself must be reached by keyboard; what does not would only be in the way.
  const watcher = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }));
  document.querySelectorAll("pre, .wide").forEach((box) => watcher.observe(box));
}
