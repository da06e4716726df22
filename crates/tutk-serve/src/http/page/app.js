"use strict";

// The cameras, each with links to its streams.
async function list() {
  const answer = await fetch("/api/cameras");
  const { cameras } = await answer.json();
  const items = cameras.map((camera) => {
    const item = document.createElement("li");
    item.append(`${camera.name}: ${camera.state} `);
    for (const kind of ["mp4", "ts", "snapshot", "rtsp"]) {
      if (camera.urls[kind] === null) continue;
      const link = document.createElement("a");
      link.href = camera.urls[kind];
      link.textContent = kind;
      item.append(link);
    }
    return item;
  });
  document.getElementById("cameras").replaceChildren(...items);
}

const events = new EventSource("/api/events");
for (const kind of ["state", "removed"]) events.addEventListener(kind, list);
list();
