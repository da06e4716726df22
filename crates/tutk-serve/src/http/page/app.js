// The page: a tile for each camera of the server.

import { cameras, listen, logOut, user } from "./api.js";
import { element, icon, toast, tool } from "./dom.js";
import { Layout } from "./layout.js";
import { Panel } from "./panel.js";
import { SOUND } from "./sound.js";
import { Tile } from "./tile.js";
import { count } from "./texts.js";

// The polling interval for values without events, in milliseconds.
const POLL = 5_000;
// The polling interval while the server does not answer.
const POLL_LOST = 1_000;

const tiles = new Map();
const stage = document.getElementById("stage");
const summary = document.getElementById("summary");
const nothing = document.getElementById("nothing");
const layout = new Layout(stage, document.getElementById("tiles"), tiles);
const panel = new Panel(document.getElementById("panel"));
let linked = true;
let polling = null;

const actions = {
  enlarge: (tile) => layout.enlarge(tile === layout.large ? null : tile),
  fullscreen: (tile) => layout.fullscreen(tile.root, tile.video),
  panel: (tile, which) => panel.toggle(tile, which),
};

// Loads all cameras. A call during a request causes one more request.
async function poll() {
  if (polling !== null) {
    polling.again = true;
    return;
  }
  const mine = { again: false };
  polling = mine;
  try {
    const list = await cameras();
    link(true);
    show(list);
  } catch (problem) {
    link(false);
    nothing.hidden = tiles.size > 0;
    if (tiles.size === 0) nothing.replaceChildren(icon("warning"), element("p", {}, problem.text));
  } finally {
    polling = null;
    if (mine.again) poll();
  }
}

function show(list) {
  const names = new Set(list.map(({ name }) => name));
  for (const name of [...tiles.keys()]) if (!names.has(name)) remove(name);
  for (const camera of list) {
    const known = tiles.get(camera.name);
    if (known !== undefined) {
      known.update(camera);
      continue;
    }
    const tile = new Tile(camera, actions);
    tiles.set(camera.name, tile);
    layout.add(tile);
  }
  nothing.hidden = tiles.size > 0;
  if (tiles.size === 0) {
    nothing.replaceChildren(
      icon("camera"),
      element("h2", {}, "No cameras yet"),
      element("p", {}, "Cameras that are added to the configuration appear here."),
    );
  }
  panel.refresh();
  refresh();
}

function remove(name) {
  const tile = tiles.get(name);
  if (tile === undefined) return;
  if (panel.tile === tile) panel.close();
  tiles.delete(name);
  layout.remove(tile);
  tile.close();
}

function refresh() {
  const all = [...tiles.values()];
  for (const tile of all) tile.refresh();
  const offline = all.filter(({ root }) => root.dataset.tone === "bad").length;
  const live = all.filter(({ root }) => root.dataset.tone === "good").length;
  const parts = [`${live} live`, offline > 0 ? `${offline} offline` : null, all.length - live - offline > 0 ? `${all.length - live - offline} starting` : null];
  const text = linked ? (all.length === 0 ? "" : parts.filter((part) => part !== null).join(" · ")) : "The server does not answer. Trying again…";
  if (summary.textContent !== text) summary.textContent = text;
  summary.dataset.tone = !linked || offline > 0 ? "bad" : "good";
}

// Called when the connection to the server is established or lost.
function link(now) {
  if (now && !linked) for (const tile of tiles.values()) tile.retryNow();
  linked = now;
  refresh();
}

function keys(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, dialog")) return;
  const tile = layout.large ?? [...tiles.values()].find(({ root }) => root.contains(document.activeElement));
  const acts = {
    Escape: () => (panel.isOpen ? panel.close() : layout.enlarge(null)),
    ArrowLeft: () => layout.step(-1),
    ArrowRight: () => layout.step(1),
    f: () => (tile === undefined ? layout.fullscreen(document.documentElement) : actions.fullscreen(tile)),
    m: () => tile !== undefined && !tile.mute.disabled && SOUND.toggle(tile),
  };
  acts[event.key]?.();
}

// Keeps the screen on while the page is full screen.
async function keepScreenOn() {
  if (document.fullscreenElement === null || document.hidden) return;
  await navigator.wakeLock?.request("screen").catch(() => {});
}

// Shows who is logged in, and hides what the role does not allow.
async function showUser() {
  const { name, role, can_log_out: canLogOut } = await user();
  document.body.dataset.role = role;
  if (canLogOut) document.getElementById("page-tools").prepend(tool("logout", `Log out ${name}`, logOut, { "data-tool": "logout" }));
}

const whole = tool("fullscreen", "Full screen", () => layout.fullscreen(document.documentElement));
whole.hidden = document.documentElement.requestFullscreen === undefined;
document.getElementById("page-tools").append(whole);
document.addEventListener("keydown", keys);
document.addEventListener("fullscreenchange", keepScreenOn);
document.addEventListener("visibilitychange", () => {
  keepScreenOn();
  if (!document.hidden) poll();
});
addEventListener("online", () => tiles.forEach((tile) => tile.retryNow()));
listen(
  {
    state: (event) => {
      const tile = tiles.get(event.camera);
      if (tile === undefined) return poll();
      tile.state(event);
      refresh();
    },
    removed: ({ camera }) => {
      const there = tiles.has(camera);
      remove(camera);
      if (there) toast(`${camera} was removed`);
      poll();
    },
    control: (event) => panel.controlChanged(event),
    missed: poll,
  },
  (now) => {
    link(now);
    if (now) poll();
  },
);
showUser().catch(() => {});
setInterval(refresh, 1_000);
setInterval(() => !document.hidden && linked && poll(), POLL);
setInterval(() => !document.hidden && !linked && poll(), POLL_LOST);
poll();
