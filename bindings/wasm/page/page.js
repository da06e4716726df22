import init, { Dissection } from "../pkg/tutk_wasm.js";

/** More rows make the page slow. A filter finds the others. */
const MAX_ROWS = 2000;

const element = (id) => document.getElementById(id);
const ready = init();
let packets = [];

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await ready;
    const file = new Uint8Array(await element("file").files[0].arrayBuffer());
    const logs = await Promise.all([...element("keys").files].map((log) => log.text()));
    const camera = element("camera").value.trim();
    const { found, sessions } = dissect(file, logs, camera ? [camera] : []);
    packets = found;
    show();
    element("status").textContent = [`${packets.length} packets`, ...sessions.map(summary)].join("; ");
  } catch (error) {
    packets = [];
    show();
    element("status").textContent = `error: ${error.message}`;
  }
});

element("filter").addEventListener("input", show);

function dissect(file, logs, cameras) {
  const dissection = new Dissection(file, logs, cameras);
  const [found, sessions] = [[], []];
  try {
    for (let line; (line = dissection.next()) !== undefined; ) {
      if (line.packet) found.push(line.packet);
      else sessions.push(line.session);
    }
  } finally {
    dissection.free();
  }
  return { found, sessions };
}

function summary({ number, dialect, decrypted, encrypted }) {
  return `session ${number}: ${dialect}, ${decrypted} records decrypted, ${encrypted} not`;
}

/** Shows the packets that contain all words of the filter. */
function show() {
  const words = element("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = packets.filter((packet) => {
    const text = [packet.protocol, packet.summary, packet.source, packet.destination];
    const joined = text.join(" ").toLowerCase();
    return words.every((word) => joined.includes(word));
  });
  element("packets").replaceChildren(...matches.slice(0, MAX_ROWS).map(row));
  element("details").replaceChildren();
}

function row(packet) {
  const time = (packet.time - packets[0].time).toFixed(6);
  const row = document.createElement("tr");
  row.tabIndex = 0;
  const columns = [packet.number, time, packet.source, packet.destination, packet.protocol, packet.summary];
  row.append(...columns.map((text) => node("td", text)));
  const select = () => {
    document.querySelector("tr.selected")?.classList.remove("selected");
    row.classList.add("selected");
    element("details").replaceChildren(...packet.layers.flatMap(layer));
  };
  row.addEventListener("click", select);
  row.addEventListener("keydown", (event) => event.key === "Enter" && select());
  return row;
}

/** The heading, the fields and the notes of a layer. */
function layer({ name, title, fields, undecoded = [], notes = [] }) {
  const list = document.createElement("dl");
  for (const { name, value } of fields) list.append(node("dt", name), node("dd", value));
  for (const { offset, bytes } of undecoded)
    list.append(node("dt", `not decoded, at ${offset}`), node("dd", bytes));
  return [node("h2", `${name}: ${title}`), list, ...notes.map((note) => node("p", note))];
}

function node(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}
