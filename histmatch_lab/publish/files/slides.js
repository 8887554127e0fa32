// Formulas; then slides that fit their screen: what is too long goes on below, on a slide of its own.
{
  const WIDE = 1200, HIGH = 660;
  document.querySelectorAll("section > :not(aside) .formula").forEach((formula) => {
    const displayMode = formula.classList.contains("display");
    katex.render(formula.textContent, formula, { displayMode, throwOnError: false });
  });
  // A block that is larger than a slide alone is made smaller.
  const fit = (block) => {
    const factor = Math.min(1, WIDE / block.scrollWidth, HIGH / block.offsetHeight);
    if (factor < 1) block.style.zoom = factor;
  };
  const height = (blocks) => blocks.at(-1).getBoundingClientRect().bottom - blocks[0].getBoundingClientRect().top;
  const split = (slide) => {
    const notes = slide.querySelector(":scope > aside"), pages = [[]];
    const blocks = [...slide.querySelectorAll(":scope > .prose > *, :scope > .cell > *")];
    blocks.forEach(fit);
    for (const block of blocks) {
      const page = pages.at(-1);
      if (page.length && height([page[0], block]) > HIGH) {
        const heads = page.length > 1 && /^H[1-6]$/.test(page.at(-1).tagName) ? [page.pop()] : [];
        pages.push(heads);
      }
      pages.at(-1).push(block);
    }
    slide.replaceChildren(...pages[0]);
    if (notes) slide.append(notes);
    pages.slice(1).reverse().forEach((page) => {
      const next = slide.cloneNode(false);
      next.append(...page);
      slide.after(next);
    });
  };
  const ready = [document.fonts.ready, ...[...document.images].map((image) => image.decode().catch(() => {}))];
  Promise.all(ready).then(() => {
    document.querySelectorAll(".slides > section > section").forEach(split);
    document.body.classList.remove("measured");
    return Reveal.initialize({ width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t", transition: "none", plugins: [RevealNotes] });
  });
}
