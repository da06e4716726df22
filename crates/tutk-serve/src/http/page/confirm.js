// The confirmation dialog for destructive actions.

import { element } from "./dom.js";

export function confirmed(what, summary) {
  return new Promise((resolve) => {
    const no = element("button", { type: "button", class: "plain-button", onclick: () => dialog.close() }, "Cancel");
    const yes = element("button", { type: "button", class: "plain-button danger", onclick: () => dialog.close("yes") }, what);
    const dialog = element(
      "dialog",
      { class: "confirm", "aria-labelledby": "confirm-title" },
      element("h2", { id: "confirm-title" }, `${what}?`),
      element("p", {}, `${summary}.`),
      element("div", { class: "buttons" }, no, yes),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
