// Follows an approved act to "final in block N" without reloading the page; without scripts a meta refresh does it.
"use strict";
(() => {
  const POLL_MS = 1000;
  const follow = document.getElementById("follow");
  if (!follow || follow.dataset.state !== "approved") return;
  const look = async () => {
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin", cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        location.reload(); // the session is over
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("follow");
      if (next && next.dataset.state !== "approved") {
        location.reload();
        return;
      }
      if (next) follow.replaceChildren(...next.childNodes);
    } catch {
      // the node may be restarting: ask again
    }
    setTimeout(look, POLL_MS);
  };
  setTimeout(look, POLL_MS / 2);
})();
