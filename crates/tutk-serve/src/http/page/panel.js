// The side panel with a camera's controls or details.

import { Controls } from "./controls.js";
import { Details } from "./details.js";
import { element, tool } from "./dom.js";

const TABS = { controls: "Controls", details: "About" };

export class Panel {
  #root;
  #tile = null;
  #which = null;
  #content = null;
  #opener = null;

  constructor(root) {
    this.#root = root;
  }

  get isOpen() {
    return this.#tile !== null;
  }

  get tile() {
    return this.#tile;
  }

  // Closes the panel if it already shows this.
  toggle(tile, which) {
    if (this.#tile === tile && this.#which === which) this.close();
    else this.open(tile, which);
  }

  open(tile, which) {
    if (this.#tile === null) this.#opener = document.activeElement;
    this.#content?.close();
    this.#tile = tile;
    this.#which = which;
    const body = element("div", { class: "body" });
    const tab = ([name, label]) =>
      element("button", { type: "button", class: "tab", "aria-pressed": String(name === which), onclick: () => this.open(tile, name) }, label);
    const close = tool("close", "Close", () => this.close());
    this.#root.setAttribute("aria-label", `${TABS[which]}: ${tile.name}`);
    this.#root.replaceChildren(
      element("div", { class: "panel-head" }, element("h2", {}, tile.name), close),
      element("div", { class: "tabs" }, ...Object.entries(TABS).map(tab)),
      body,
    );
    this.#root.hidden = false;
    document.body.classList.add("panelled");
    this.#content = which === "controls" ? new Controls(tile.camera, body) : new Details(tile, body);
    close.focus({ preventScroll: true });
  }

  close() {
    if (this.#tile === null) return;
    this.#content.close();
    this.#tile = null;
    this.#which = null;
    this.#content = null;
    this.#root.hidden = true;
    this.#root.replaceChildren();
    document.body.classList.remove("panelled");
    this.#opener?.focus({ preventScroll: true });
  }

  refresh() {
    this.#content?.refresh?.();
  }

  controlChanged(event) {
    if (event.camera === this.#tile?.name) this.#content.controlChanged(event);
  }
}
