// A request that is still running: show it anew as soon as it has ended.
const address = document.getElementById("running").dataset.address;

async function ask() {
  try {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.ok && (await answer.json()).outcome !== null) return location.reload();
  } catch {
    // The next try may succeed.
  }
  setTimeout(ask, 1000);
}

setTimeout(ask, 1000);
