// Talking to a camera: while the button is held, or from one press to the next.

import { socketUrl } from "./api.js";
import { element, icon, toast } from "./dom.js";
import { openMicrophone, whyNoMicrophone } from "./microphone.js";
import { sentence } from "./words.js";

// A shorter press leaves it on, in milliseconds.
const TAP = 350;

// Seconds of sound that may wait for the network: more would be heard much too late.
const WAITING = 1;

export class TalkButton {
  #path;
  #video;
  #talk = null;
  // The end of the one before: the server takes one at a time.
  #before = Promise.resolve();
  #since = 0;
  #held = false;
  // The camera's, while it is lowered.
  #volume = null;

  constructor(name, path, video) {
    this.#path = path;
    this.#video = video;
    this.button = element("button", { type: "button", class: "tool talk", "data-tool": "talk", "aria-pressed": "false" }, icon("talk"));
    this.button.title = `Talk to ${name}: hold, or press once to begin and once to end`;
    this.button.setAttribute("aria-label", `Talk to ${name}`);
    this.button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      // It is let go of wherever that is.
      this.button.setPointerCapture(event.pointerId);
      this.#press();
    });
    for (const kind of ["pointerup", "pointercancel"]) this.button.addEventListener(kind, () => this.#release());
    this.button.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.#press();
    });
    this.button.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key === "Enter") this.#release();
    });
    this.button.addEventListener("blur", () => this.#held && this.#release());
    // Long presses are for talking, not for menus.
    this.button.addEventListener("contextmenu", (event) => event.preventDefault());
    // Those who use it by voice or switch only click; a press was taken already.
    this.button.addEventListener("click", (event) => {
      if (event.detail === 0 && event.pointerType === "") this.#talk === null ? this.#begin() : this.stop();
    });
  }

  #press() {
    if (this.#talk !== null) return this.stop();
    this.#held = true;
    this.#since = performance.now();
    this.#begin();
  }

  #release() {
    const held = this.#held;
    this.#held = false;
    if (held && performance.now() - this.#since > TAP) this.stop();
  }

  #begin() {
    const why = whyNoMicrophone();
    if (why !== null) return toast(why, "bad");
    const talk = new Talk(this.#path(), this.#before, {
      state: (state) => this.#talk === talk && this.#show(state),
      ended: (problem) => {
        if (this.#talk === talk) {
          this.#talk = null;
          this.#show(null);
        }
        if (problem !== null) toast(problem, "bad");
      },
    });
    this.#talk = talk;
    this.#before = talk.closed;
    this.#show("opening");
  }

  stop() {
    this.#talk?.stop();
    this.#talk = null;
    this.#show(null);
  }

  // `null`, `opening` or `talking`.
  #show(state) {
    this.button.setAttribute("aria-pressed", String(state !== null));
    if (state === null) delete this.button.dataset.talk;
    else this.button.dataset.talk = state;
    this.#duck(state !== null);
  }

  // What the microphone hears of the camera comes back late, again and again.
  #duck(quiet) {
    if (quiet === (this.#volume !== null)) return;
    const volume = this.#volume ?? this.#video.volume;
    this.#volume = quiet ? volume : null;
    this.#video.volume = quiet ? volume * 0.15 : volume;
  }
}

// One time of talking, from the microphone to the server.
class Talk {
  #path;
  #socket = null;
  #handlers;
  #resolve;
  #microphone = null;
  #ready = false;
  #stopped = false;
  #problem = null;
  #rate = 0;

  // It begins when the promise `before` is kept, and keeps its own, `closed`, when all is over.
  constructor(path, before, handlers) {
    this.#path = path;
    this.#handlers = handlers;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    before.then(() => this.#open());
  }

  #open() {
    if (this.#stopped) return this.#resolve();
    this.#socket = new WebSocket(socketUrl(this.#path));
    this.#socket.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    this.#socket.onclose = ({ code }) => this.#closed(code);
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#microphone?.close();
    if (this.#socket === null) return;
    if (this.#socket.readyState !== WebSocket.OPEN || !this.#ready) return this.#socket.close();
    this.#socket.send(JSON.stringify({ type: "end" }));
  }

  async #heard(told) {
    if (told.type === "error") this.#problem = [told.error, told.advice].map(sentence).join(". ");
    if (told.type !== "ready" || this.#stopped) return;
    this.#ready = true;
    this.#rate = told.rate;
    this.#socket.send(JSON.stringify({ type: "begin", rate: told.rate }));
    try {
      const microphone = await openMicrophone(told.rate, (samples) => this.#say(samples));
      if (this.#stopped) return microphone.close();
      this.#microphone = microphone;
      this.#handlers.state("talking");
    } catch (error) {
      this.#problem = error.message;
      this.#socket.close();
    }
  }

  #say(samples) {
    if (this.#stopped || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > WAITING * this.#rate * 2) return;
    this.#socket.send(samples);
  }

  #closed(code) {
    this.#microphone?.close();
    const broken = code !== 1_000 && !this.#stopped && this.#problem === null;
    this.#stopped = true;
    this.#resolve();
    this.#handlers.ended(broken ? "Talking broke off: the server does not answer" : this.#problem);
  }
}
