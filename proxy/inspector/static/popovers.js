// Popovers are <details>, which work by themselves; here they also open by hovering and close by Escape or a click elsewhere.
const open = () => document.querySelectorAll("details.pop[open]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const popover of open()) {
    popover.open = false;
    if (popover.contains(document.activeElement)) popover.querySelector("summary").focus();
  }
});

document.addEventListener("click", (event) => {
  for (const popover of open()) if (!popover.contains(event.target)) popover.open = false;
});

document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const popover = event.target.closest("details.pop.hover");
  if (!popover || popover.open) return;
  popover.open = true;
  popover.addEventListener("pointerleave", () => { popover.open = false; }, { once: true });
});
