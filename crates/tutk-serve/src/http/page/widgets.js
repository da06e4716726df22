// Widgets for the values of controls. Each has `root`, `texts()` (the values as texts of the catalogue), and `show(value)`
// for values from the camera.

import { element, icon } from "./dom.js";
import { title } from "./texts.js";

// The text for an unchanged value.
const UNCHANGED = "-";
// Separates the fields of a list item.
const SEPARATOR = ":";

// `changed()` is called by widgets that apply a change without a button.
export function widget(control, changed) {
  switch (control.form) {
    case "none":
      return { root: null, texts: () => [], show: () => {} };
    case "one":
      return one(control.fields[0], control, changed);
    case "list":
      return list(control);
    default:
      return several(control);
  }
}

const isSwitch = ({ choices }) => choices?.length === 2 && choices.includes("on") && choices.includes("off");

function one(field, control, changed) {
  const label = title(control.name);
  const isNumber = field.choices === undefined;
  const made = isNumber ? number(field, label) : isSwitch(field) ? toggle(label, changed) : choice(field, label, changed);
  return { ...made, immediate: !isNumber, texts: () => [made.text()], show: (value) => made.show(single(value)) };
}

// Returns a value, or the only field of an object.
function single(value) {
  if (value === null || typeof value !== "object") return value;
  const values = Object.values(value);
  return values.length === 1 ? values[0] : undefined;
}

function toggle(label, changed) {
  const root = element("button", {
    type: "button", role: "switch", class: "switch", "aria-checked": "false", "aria-label": label,
    onclick: () => {
      root.setAttribute("aria-checked", String(root.getAttribute("aria-checked") !== "true"));
      changed();
    },
  }, element("span", { class: "knob" }));
  return {
    root,
    text: () => (root.getAttribute("aria-checked") === "true" ? "on" : "off"),
    show: (value) => {
      root.classList.toggle("unknown", value !== "on" && value !== "off");
      root.setAttribute("aria-checked", String(value === "on"));
    },
  };
}

function choice({ choices, optional }, label, changed = () => {}) {
  const names = optional ? [UNCHANGED, ...choices] : choices;
  const options = names.map((name) => element("option", { value: name }, name === UNCHANGED ? "unchanged" : title(name)));
  // No option is selected until the value is known.
  if (!optional) options.unshift(element("option", { value: "", disabled: true, hidden: true, selected: true }, "Choose"));
  const root = element("select", { "aria-label": label, onchange: changed }, ...options);
  return {
    root,
    text: () => root.value,
    show: (value) => {
      if (names.includes(String(value))) root.value = String(value);
    },
  };
}

function number({ min, max, optional }, label) {
  const input = element("input", {
    type: "number", inputmode: min < 0 ? "text" : "numeric", min, max, step: "1", "aria-label": label,
    placeholder: optional ? "unchanged" : `${min} to ${max}`, required: !optional,
  });
  const parts = [input];
  if (max - min <= 1_000 && !optional) {
    const range = element("input", { type: "range", min, max, step: "1", tabindex: "-1", "aria-hidden": "true" });
    range.addEventListener("input", () => {
      input.value = range.value;
    });
    input.addEventListener("input", () => {
      range.value = input.value;
    });
    parts.unshift(range);
  }
  const root = element("span", { class: "number" }, ...parts);
  return {
    root,
    // The server validates the value.
    text: () => (input.value === "" && optional ? UNCHANGED : input.value),
    show: (value) => {
      if (typeof value !== "number") return;
      for (const part of parts) part.value = String(value);
    },
  };
}

const field = (given, label = title(given.name)) => (given.choices === undefined ? number(given, label) : choice(given, label));

function labelled({ name, unit }, part) {
  return element("label", { class: "field" }, element("span", {}, title(name), unit ? element("small", {}, ` ${unit}`) : null), part.root);
}

function several({ fields }) {
  const made = fields.map((given) => ({ given, part: field(given) }));
  const rows = made.map(({ given, part }) => labelled(given, part));
  return {
    root: element("div", { class: "fields" }, ...rows),
    texts: () => {
      const texts = made.map(({ part }) => part.text());
      // Trailing unchanged values are omitted.
      while (texts.at(-1) === UNCHANGED) texts.pop();
      return texts;
    },
    show: (value) => {
      if (value === null || typeof value !== "object") {
        if (made.length === 1) made[0].part.show(value);
        return;
      }
      for (const { given, part } of made) part.show(value[given.name]);
    },
  };
}

function list({ fields, most }) {
  const items = element("ol", { class: "items" });
  const rows = new Map();
  const add = element("button", { type: "button", class: "plain-button", onclick: () => append() }, icon("plus"), "Add");
  const count = () => {
    add.disabled = rows.size >= most;
  };
  const append = (value) => {
    const parts = fields.map((given) => [given, field(given)]);
    const labels = parts.map(([given, part]) => labelled(given, part));
    const remove = element("button", {
      type: "button", class: "tool", "aria-label": "Remove", onclick: () => {
        rows.delete(row);
        row.remove();
        count();
      },
    }, icon("minus"));
    const row = element("li", {}, element("div", { class: "fields" }, ...labels), remove);
    for (const [given, part] of parts) part.show(value?.[given.name]);
    rows.set(row, parts);
    items.append(row);
    count();
  };
  return {
    root: element("div", {}, items, add),
    texts: () => [...rows.values()].map((parts) => parts.map(([, part]) => part.text()).join(SEPARATOR)),
    show: (value) => {
      if (!Array.isArray(value)) return;
      rows.clear();
      items.replaceChildren();
      for (const item of value) append(item);
    },
  };
}
