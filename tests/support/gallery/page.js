"use strict";
const search = document.querySelector("input[type=search]");
const onlyDiffering = document.querySelector("input[type=checkbox]");
const size = document.querySelector("input[type=range]");
const look = document.querySelector("select");
const said = document.querySelector("output");
const figures = [...document.querySelectorAll("figure")];
const words = new Map(figures.map((figure) => [figure, wordsOf(figure)]));

function wordsOf(figure) {
  const screen = figure.closest("section").querySelector("h2").textContent;
  return (screen + " " + figure.textContent).replace(/\s+/g, " ").toLowerCase();
}

function filter() {
  const wanted = search.value.trim().replace(/\s+/g, " ").replace(/(\d) ?x ?(\d)/, "$1 × $2").toLowerCase();
  for (const figure of figures) {
    const isSame = figure.classList.contains("same");
    figure.hidden = (onlyDiffering.checked && isSame) || !words.get(figure).includes(wanted);
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("figure:not([hidden])");
    document.querySelector(`nav a[href="#${section.id}"]`).hidden = section.hidden;
  }
  const shown = figures.filter((figure) => !figure.hidden).length;
  document.querySelector(".nothing").hidden = shown > 0;
  said.textContent = shown === figures.length ? "" : `${shown} of ${figures.length} shown`;
}

function go(step) {
  const differing = figures.filter((figure) => !figure.hidden && !figure.classList.contains("same"));
  if (!differing.length) {
    said.textContent = "Nothing differs.";
    return;
  }
  const at = differing.indexOf(document.activeElement.closest("figure"));
  const next = at < 0 && step < 0 ? differing.length - 1 : (at + step + differing.length) % differing.length;
  differing[next].focus({ preventScroll: true });
  differing[next].scrollIntoView({ block: "start" });
  said.textContent = `${next + 1} of ${differing.length} that differ`;
}

function nextLook() {
  look.selectedIndex = (look.selectedIndex + 1) % look.options.length;
  showLook();
}

function showLook() {
  document.body.dataset.look = look.value;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) {
    if (event.key === "Escape") search.blur();
    return;
  }
  if (event.key === "n") go(1);
  else if (event.key === "p") go(-1);
  else if (event.key === "t") nextLook();
  else if (event.key === "/") search.focus();
  else return;
  event.preventDefault();
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
for (const button of document.querySelectorAll("button"))
  button.addEventListener("click", () => go(Number(button.value)));
search.addEventListener("input", filter);
onlyDiffering.addEventListener("change", filter);
look.addEventListener("change", showLook);
size.addEventListener("input", () => document.body.style.setProperty("--cell", size.value + "px"));
filter();
