// Push-to-talk: hold the button, or press it once to start and once to stop.

import { socketUrl } from "./api.js";
import { element, icon, toast } from "./dom.js";
import { openMicrophone, whyNoMicrophone } from "./microphone.js";
import { sentence } from "./texts.js";

// A shorter press keeps talking, in milliseconds.
const TAP = 350;

// The maximum buffered audio in seconds. More would be played too late.
const MAX_BUFFERED = 1;

export class TalkButton {
  #path;
  #video;
  #talk = null;
  // Resolves when the previous session has ended. The server allows one at a time.
  #before = Promise.resolve();
  #since = 0;
  #held = false;
  // The camera's volume before it was lowered.
  #volume = null;

  constructor(name, path, video) {
    this.#path = path;
    this.#video = video;
    this.button = element("button", { type: "button", class: "tool talk", "data-tool": "talk", "aria-pressed": "false" }, icon("talk"));
    this.button.title = `Talk to ${name}: hold, or press once to start and once to stop`;
    this.button.setAttribute("aria-label", `Talk to ${name}`);
    this.button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      // The release is detected anywhere.
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
    // A long press must not open a menu.
    this.button.addEventListener("contextmenu", (event) => event.preventDefault());
    // Assistive technology sends only clicks.
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

  // Lowers the camera's volume to avoid feedback.
  #duck(quiet) {
    if (quiet === (this.#volume !== null)) return;
    const volume = this.#volume ?? this.#video.volume;
    this.#volume = quiet ? volume : null;
    this.#video.volume = quiet ? volume * 0.15 : volume;
  }
}

// A talk session.
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

  // Starts when `before` resolves. `closed` resolves when the session has ended.
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
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
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

  async #receive(message) {
    if (message.type === "error") this.#problem = [message.error, message.advice].map(sentence).join(". ");
    if (message.type !== "ready" || this.#stopped) return;
    this.#ready = true;
    this.#rate = message.rate;
    this.#socket.send(JSON.stringify({ type: "begin", rate: message.rate }));
    try {
      const microphone = await openMicrophone(message.rate, (samples) => this.#send(samples));
      if (this.#stopped) return microphone.close();
      this.#microphone = microphone;
      this.#handlers.state("talking");
    } catch (error) {
      this.#problem = error.message;
      this.#socket.close();
    }
  }

  #send(samples) {
    if (this.#stopped || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_BUFFERED * this.#rate * 2) return;
    this.#socket.send(samples);
  }

  #closed(code) {
    this.#microphone?.close();
    const broken = code !== 1_000 && !this.#stopped && this.#problem === null;
    this.#stopped = true;
    this.#resolve();
    this.#handlers.ended(broken ? "Talking ended: the server does not answer" : this.#problem);
  }
}
