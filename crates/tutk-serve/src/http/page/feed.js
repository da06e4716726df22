// Receives a camera's segments over a WebSocket, and reconnects.

import { Backoff, socketUrl } from "./api.js";

// The timeout for messages while the camera is up, in milliseconds. TCP does not detect dead connections in time.
const TIMEOUT = 10_000;
const REMOVED = 4_404;

export class Feed {
  #path;
  #handlers;
  #socket = null;
  #backoff = new Backoff();
  #retry = null;
  #timeout = null;
  #problem = null;
  #up = false;
  #sound = false;

  // `handlers`: `begin()`, `state(state)`, `init(init)`, `segment(bytes)`, `audioUnavailable(what)`, `lost(problem)`.
  constructor(path, handlers) {
    this.#path = path;
    this.#handlers = handlers;
  }

  get wanted() {
    return this.#socket !== null || this.#retry !== null;
  }

  open() {
    if (!this.wanted) this.#connect();
  }

  // Reconnects now instead of after the back-off, which starts over. An attempt that has just begun may still fail.
  retryNow() {
    this.#backoff.reset();
    if (this.#retry === null) return;
    this.close();
    this.#connect();
  }

  close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#timeout);
    this.#retry = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  reconnect() {
    this.close();
    this.#connect();
  }

  // Enables audio. Without audio the latency is lower.
  setSound(sound) {
    if (sound === this.#sound) return;
    this.#sound = sound;
    if (this.wanted) this.reconnect();
  }

  #connect() {
    this.#retry = null;
    this.#problem = null;
    this.#up = false;
    const url = socketUrl(this.#path);
    url.searchParams.set("sound", this.#sound ? "flac" : "none");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    // Events of an abandoned socket are ignored.
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onmessage = current(({ data }) => this.#receive(data));
    socket.onclose = current(({ code }) => this.#lost(code));
    this.#handlers.begin();
    this.#restartTimeout();
  }

  #receive(data) {
    this.#restartTimeout();
    if (typeof data !== "string") {
      this.#backoff.reset();
      this.#handlers.segment(data);
      return;
    }
    const message = JSON.parse(data);
    switch (message.type) {
      case "state":
        this.#up = message.state === "up";
        this.#restartTimeout();
        this.#handlers.state(message);
        break;
      case "init":
        this.#handlers.init(message);
        break;
      case "left-out":
        this.#handlers.audioUnavailable(message);
        break;
      case "error":
        this.#problem = message;
        break;
    }
  }

  #restartTimeout() {
    clearTimeout(this.#timeout);
    if (this.#up) this.#timeout = setTimeout(() => this.reconnect(), TIMEOUT);
  }

  #lost(code) {
    clearTimeout(this.#timeout);
    this.#socket = null;
    this.#handlers.lost(this.#problem);
    // A removed camera may be added again.
    const wait = code === REMOVED ? 5_000 : this.#backoff.next();
    this.#retry = setTimeout(() => this.#connect(), wait);
  }
}
