// Creates elements. Text is never parsed as markup, because names come from cameras and configurations.

const SVG = "http://www.w3.org/2000/svg";

// `element("button", { class: "x", "aria-label": "y", onclick: f }, "text", other)`. Omits attributes and children that
// are `null`, `undefined` or `false`.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Paths in a square of 24 by 24.
const ICONS = {
  back: ["M15 5l-7 7 7 7"],
  camera: ["M4 7h11a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1z", "M16 11l5-3v8l-5-3"],
  offline: ["M8 7h7a1 1 0 0 1 1 1v6", "M16 11l5-3v8l-2-1", "M14 17H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1", "M3 3l18 18"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  controls: ["M4 7h9", "M17 7h3", "M4 17h3", "M11 17h9", "M13 7a2 2 0 1 0 4 0a2 2 0 1 0-4 0", "M7 17a2 2 0 1 0 4 0a2 2 0 1 0-4 0"],
  copy: ["M9 9h10v11H9z", "M5 15V4h10"],
  fullscreen: ["M4 9V4h5", "M15 4h5v5", "M20 15v5h-5", "M9 20H4v-5"],
  info: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18z", "M12 11v5", "M12 7.5v.5"],
  logout: ["M10 4H5v16h5", "M14 8l4 4-4 4", "M18 12H9"],
  loud: ["M4 10v4h3l5 4V6l-5 4z", "M15.500 9a4 4 0 0 1 0 6", "M18 6.500a8 8 0 0 1 0 11"],
  minus: ["M6 12h12"],
  muted: ["M4 10v4h3l5 4V6l-5 4z", "M16 10l5 5", "M21 10l-5 5"],
  photo: ["M4 8h3l2-3h6l2 3h3v11H4z", "M12 10a3.500 3.500 0 1 0 0 7a3.500 3.500 0 1 0 0-7z"],
  play: ["M8 5l11 7-11 7z"],
  plus: ["M12 6v12", "M6 12h12"],
  refresh: ["M20 5v5h-5", "M4 19v-5h5", "M19 10a7.500 7.500 0 0 0-13-3", "M5 14a7.500 7.500 0 0 0 13 3"],
  talk: ["M12 4a3 3 0 0 1 3 3v4a3 3 0 0 1-6 0V7a3 3 0 0 1 3-3z", "M6 11a6 6 0 0 0 12 0", "M12 17v3"],
  warning: ["M12 4l9 16H3z", "M12 10v4", "M12 17v.5"],
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  svg.dataset.icon = name;
  for (const line of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

// An icon button. Its label is used for screen readers and as a tooltip.
export function tool(name, label, onclick, attributes = {}) {
  const button = element("button", { type: "button", class: "tool", onclick, ...attributes }, icon(name));
  rename(button, name, label);
  return button;
}

export function rename(button, name, label) {
  button.setAttribute("aria-label", label);
  button.title = label;
  const shown = button.querySelector(".icon");
  if (shown.dataset.icon !== name) shown.replaceWith(icon(name));
}

// Shows a short message.
export function toast(text, tone = "plain") {
  const shown = element("p", { class: "toast", "data-tone": tone }, text);
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.remove(), Math.max(4_000, text.length * 90));
}
