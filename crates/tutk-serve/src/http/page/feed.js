// A camera's segments from the server, over a WebSocket that is opened again whenever it ends.

import { Patience, socketUrl } from "./api.js";

// A camera that is there sends all the time: a connection on which nothing comes is dead, and TCP does not say so.
const SILENCE = 10_000;
const GONE = 4_404;

export class Feed {
  #path;
  #handlers;
  #socket = null;
  #patience = new Patience();
  #retry = null;
  #watch = null;
  #problem = null;
  #up = false;
  #sound = false;

  // `handlers`: `begin()`, `state(state)`, `init(init)`, `segment(bytes)`, `leftOut(what)`, `lost(problem)`.
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

  // At once, where it would wait.
  hurry() {
    if (this.#retry === null) return;
    this.close();
    this.#connect();
  }

  close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watch);
    this.#retry = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  again() {
    this.close();
    this.#connect();
  }

  // With the sound, or without: pictures alone are played sooner.
  setSound(sound) {
    if (sound === this.#sound) return;
    this.#sound = sound;
    if (this.wanted) this.again();
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
    // Of a socket that was given up nothing is taken.
    const mine = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onmessage = mine(({ data }) => this.#take(data));
    socket.onclose = mine(({ code }) => this.#lost(code));
    this.#handlers.begin();
    this.#stir();
  }

  #take(data) {
    this.#stir();
    if (typeof data !== "string") {
      this.#patience.reset();
      this.#handlers.segment(data);
      return;
    }
    const told = JSON.parse(data);
    switch (told.type) {
      case "state":
        this.#up = told.state === "up";
        this.#stir();
        this.#handlers.state(told);
        break;
      case "init":
        this.#handlers.init(told);
        break;
      case "left-out":
        this.#handlers.leftOut(told);
        break;
      case "error":
        this.#problem = told;
        break;
    }
  }

  #stir() {
    clearTimeout(this.#watch);
    if (this.#up) this.#watch = setTimeout(() => this.again(), SILENCE);
  }

  #lost(code) {
    clearTimeout(this.#watch);
    this.#socket = null;
    this.#handlers.lost(this.#problem);
    // One that is served no more may be again; nobody need hurry.
    const wait = code === GONE ? 5_000 : this.#patience.next();
    this.#retry = setTimeout(() => this.#connect(), wait);
  }
}
