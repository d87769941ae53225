// What is wrong with how a page of results looks; an empty list when nothing is.
(() => {
  const faults = [];
  const GRID = "#DDE1E5";
  const word = (e) => JSON.stringify((e.textContent || e.tagName).trim().slice(0, 40));
  const shown = (box) => box.width > 0 && box.height > 0;
  const luminance = (colour) => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const contrast = (colour) => {
    const ink = luminance(colour);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  // Lines of the grid have one colour; what is drawn in another is a mark.
  const isMark = (e) => {
    const drawn = ["fill", "stroke"].some((name) => {
      const colour = e.getAttribute(name);
      return colour && colour !== "none" && colour.toUpperCase() !== GRID;
    });
    const box = e.getBoundingClientRect();
    return drawn && (e.tagName === "polyline" ? box.width + box.height > 0 : shown(box));
  };
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const within = (a, box) =>
    a.left >= box.left - 1 && a.right <= box.right + 1 && a.top >= box.top - 1 && a.bottom <= box.bottom + 1;

  for (const svg of document.querySelectorAll("svg")) {
    const of = `plot ${svg.getAttribute("aria-label")}`;
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
    texts.forEach(([text, place], n) => {
      for (const [other, there] of texts.slice(n + 1)) {
        if (overlap(place, there)) faults.push(`overlap: ${of}: ${word(text)} and ${word(other)}`);
      }
      if (!within(place, box)) faults.push(`clipped: ${of}: ${word(text)}`);
      const size = parseFloat(text.getAttribute("font-size")) * (box.width / svg.viewBox.baseVal.width || 1);
      if (size < 7 || size > 20) faults.push(`size: ${of}: ${word(text)} of ${size.toFixed(1)} pixels`);
      const seen = contrast(getComputedStyle(text).fill);
      if (seen < 3) faults.push(`faint: ${of}: ${word(text)} ${seen.toFixed(1)}`);
    });
    const marks = [...svg.querySelectorAll("circle, rect, polyline, polygon")].filter(isMark);
    if (marks.length === 0) faults.push(`empty: ${of}`);
    for (const mark of marks) {
      if (!within(mark.getBoundingClientRect(), box)) faults.push(`clipped: ${of}: a mark`);
    }
  }
  for (const label of document.querySelectorAll(".legend > span")) {
    if (label.textContent.length > 60) faults.push(`long: ${word(label)}`);
  }
  // What matters stands in the first screen, not below a hundred lines of remarks.
  const first = document.querySelector("figure");
  if (first && innerWidth >= 1000 && first.getBoundingClientRect().top > 2000) faults.push("late: the first plot");
  for (const figure of document.querySelectorAll("figure")) {
    const name = word(figure.querySelector("figcaption") || figure);
    if (!figure.querySelector("svg")) faults.push(`no plot: ${name}`);
    if (!figure.querySelector("table tbody tr")) faults.push(`no table: ${name}`);
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth + 1) faults.push(`wider than the window: ${root.scrollWidth}`);
  // Narrow windows may scroll a table; laptops and paper must not have to.
  if (innerWidth >= 1000 || matchMedia("print").matches) {
    for (const e of document.querySelectorAll(".scroll")) {
      if (e.scrollWidth > e.clientWidth + 1) faults.push(`cut: ${word(e)}`);
    }
  }
  return faults;
})()
