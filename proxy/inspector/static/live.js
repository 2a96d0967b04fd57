// Keeps the list up to date: asks for the rows again every second and changes only what differs.
const EVERY_MS = 1000;
const SLOWEST_MS = 15000;

const results = document.getElementById("results");
const live = document.getElementById("live");
const state = live.querySelector(".state");
const button = live.querySelector("button");
let tag = null;
let paused = false;
let failures = 0;
let timer = 0;

function show(name, text) {
  live.className = `live ${name}`;
  if (state.textContent !== text) state.textContent = text;
}

function patchRows(old, fresh) {
  const rows = new Map([...old.rows].map((row) => [row.id, row]));
  let previous = null;
  for (const row of [...fresh.rows]) {
    let current = rows.get(row.id);
    rows.delete(row.id);
    if (!current) {
      row.classList.add("new");
      current = row;
      current.dispatchEvent(new CustomEvent("content-added", { bubbles: true }));
    } else if (current.dataset.version !== row.dataset.version) {
      const focused = current.contains(document.activeElement);
      current.replaceWith(row);
      current = row;
      if (focused) row.querySelector("a").focus();
    }
    const place = previous ? previous.nextElementSibling : old.rows[0] ?? null;
    if (place !== current) old.insertBefore(current, place);
    current.dispatchEvent(new CustomEvent("content-added", { bubbles: true }));
    previous = current;
  }
  for (const row of rows.values()) row.remove();
}

function patch(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const before = results.querySelector("table.log tbody");
  const after = fresh.querySelector("table.log tbody");
  if (results.querySelector("#first")) {
    // The first request also brings the filters, which are outside of the results.
    if (!fresh.querySelector("#first")) location.reload();
    return;
  }
  if (!before || !after) {
    results.replaceChildren(...fresh.body.childNodes);
    results.dispatchEvent(new CustomEvent("content-added", { bubbles: true }));
    return;
  }
  for (const selector of ["#sums", ".pager"]) {
    const [was, is] = [results.querySelector(selector), fresh.querySelector(selector)];
    if (was && is && was.outerHTML !== is.outerHTML) was.replaceWith(is);
    else if (!was && is) results.append(is);
    else if (was && !is) was.remove();
  }
  patchRows(before, after);
}

async function ask() {
  const answer = await fetch(results.dataset.live, {
    cache: "no-store",
    redirect: "manual",
    headers: tag ? { "if-none-match": tag } : {},
  });
  if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(String(answer.status));
  const html = await answer.text();
  if (paused) return;
  patch(html);
  tag = answer.headers.get("etag");
}

async function poll() {
  clearTimeout(timer);
  if (paused || document.hidden) return;
  try {
    await ask();
    failures = 0;
    if (!paused) show("on", "Live");
  } catch {
    failures += 1;
    if (!paused) show("lost", "Not connected, trying again");
  }
  timer = setTimeout(poll, Math.min(SLOWEST_MS, EVERY_MS * 2 ** Math.min(failures, 6)));
}

button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Resume" : "Pause";
  show(paused ? "paused" : "on", paused ? "Paused" : "Live");
  poll();
});
document.addEventListener("visibilitychange", poll);
live.hidden = false;
show("on", "Live");
poll();
