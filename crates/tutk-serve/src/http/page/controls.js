// The controls of a camera, built from the server's list.

import { get, post } from "./api.js";
import { confirmed } from "./confirm.js";
import { element, icon } from "./dom.js";
import { widget } from "./widgets.js";
import { sentence, title } from "./texts.js";

// The number of parallel requests. Cameras answer one command at a time.
const READERS = 2;

export class Controls {
  #camera;
  #rows = new Map();
  #closed = false;

  constructor(camera, body) {
    this.#camera = camera;
    this.body = body;
    this.#load();
  }

  // Another client has set a control.
  controlChanged({ control, set }) {
    if (set !== null) this.#rows.get(control)?.show(set);
  }

  close() {
    this.#closed = true;
  }

  async #load() {
    this.body.replaceChildren(element("p", { class: "hint" }, "Loading…"));
    try {
      const { controls } = await get(this.#camera.urls.controls);
      if (!this.#closed) this.#show(controls);
    } catch (problem) {
      this.body.replaceChildren(element("p", { class: "error", role: "alert" }, problem.text));
    }
  }

  #show(controls) {
    const fits = controls.filter(({ models }) => models?.this !== false);
    const others = controls.filter(({ models }) => models?.this === false);
    const group = (name, of) => {
      if (of.length === 0) return null;
      const rows = of.map((control) => this.#row(control));
      return element("section", {}, element("h3", {}, name), ...rows);
    };
    const rest = others.map((control) => this.#row(control));
    this.body.replaceChildren(
      ...[
        group("Settings", fits.filter(({ settable, form, destructive }) => settable && form !== "none" && !destructive)),
        group("Actions", fits.filter(({ settable, form, destructive }) => settable && (form === "none" || destructive))),
        group("Readings", fits.filter(({ settable }) => !settable)),
        rest.length > 0 ? element("details", {}, element("summary", {}, "Other cameras"), ...rest) : null,
      ].filter((part) => part !== null),
    );
    this.#readAll(fits);
  }

  #row(control) {
    const row = new Row(control);
    this.#rows.set(control.name, row);
    return row.root;
  }

  async #readAll(controls) {
    const rows = controls.filter(({ readable }) => readable).map(({ name }) => this.#rows.get(name));
    const reader = async () => {
      while (rows.length > 0 && !this.#closed) await rows.shift().read();
    };
    await Promise.all(Array.from({ length: READERS }, reader));
  }
}

class Row {
  #control;
  #widget;
  #timer;

  constructor(control) {
    this.#control = control;
    const { name, summary, settable, readable, form, destructive } = control;
    this.#widget = settable ? widget(control, () => this.#set()) : null;
    const label = title(name);
    const simple = this.#widget?.immediate === true;
    const act = settable && !simple ? this.#button(form === "none" ? label : `Set ${label}`, form === "none" ? "Do it" : "Set", destructive) : null;
    this.value = settable ? null : element("output", {}, "…");
    const read = readable && !settable
      ? element("button", { type: "button", class: "tool", "aria-label": `Read ${label} again`, title: "Read again", onclick: () => this.read() }, icon("refresh"))
      : null;
    this.message = element("p", { class: "message", role: "status" });
    const compact = simple || !settable || form === "none";
    this.root = element(
      "div",
      { class: compact ? "row" : "row wide", "data-control": name },
      element("div", { class: "what" }, element("strong", {}, label), element("small", {}, unlike(label, summary, control.fields))),
      element("div", { class: "how" }, this.#widget?.root, this.value, read, act),
      this.message,
    );
  }

  show(value) {
    if (this.#widget !== null) this.#widget.show(value);
    else this.value.textContent = text(value);
  }

  async read() {
    this.root.classList.add("busy");
    try {
      const { value } = await get(this.#control.url);
      this.root.classList.remove("unanswered");
      this.show(value);
      this.#say("");
    } catch (problem) {
      this.root.classList.add("unanswered");
      if (this.value !== null) this.value.textContent = "–";
      this.#say(problem.status === 504 ? "The camera does not answer" : problem.text);
    } finally {
      this.root.classList.remove("busy");
    }
  }

  async #set() {
    const { name, summary, url, destructive, form, readable } = this.#control;
    if (destructive && !(await confirmed(title(name), summary))) return;
    this.root.classList.add("busy");
    try {
      const { set } = await post(url, this.#widget.texts(), destructive);
      if (set !== null) this.show(set);
      this.#say(form === "none" ? "Done" : "Set", "good");
    } catch (problem) {
      this.#say(sentence(problem.text), "bad");
      // Shows the actual value again.
      if (this.#widget.immediate && readable) await this.#readBack();
    } finally {
      this.root.classList.remove("busy");
    }
  }

  async #readBack() {
    try {
      this.show((await get(this.#control.url)).value);
    } catch {
      this.#widget.show(null);
    }
  }

  #button(label, text, destructive) {
    const kind = destructive ? "plain-button danger" : "plain-button";
    return element("button", { type: "button", class: kind, "aria-label": label, onclick: () => this.#set() }, text);
  }

  #say(text, tone = "plain") {
    clearTimeout(this.#timer);
    this.message.textContent = text;
    this.message.dataset.tone = tone;
    if (tone === "good") this.#timer = setTimeout(() => this.#say(""), 2_500);
  }
}

// The summary unless it repeats the label, with the unit of a single number.
function unlike(label, summary, fields) {
  const unit = fields?.length === 1 && fields[0].unit ? ` (${fields[0].unit.replaceAll(/[()]/g, "")})` : "";
  return `The ${label.toLowerCase()}` === summary ? unit.trim() : summary + unit;
}

// The text of a read-only value.
function text(value) {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(text).join("; ");
  if (value === null || typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, of]) => `${title(name)} ${text(of)}`).join(", ");
}
