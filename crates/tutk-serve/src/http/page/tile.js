// The tile of a camera: video, state and tools.

import { Feed } from "./feed.js";
import { element, icon, rename, toast, tool } from "./dom.js";
import { canPlay, Player } from "./player.js";
import { SOUND } from "./sound.js";
import { TalkButton } from "./talk.js";
import { badge, count, notice, recordingMark, seconds } from "./texts.js";

// The delay before an invisible tile stops streaming, in milliseconds.
const HIDDEN_DELAY = 5_000;
// The interval of snapshots if the video cannot be played, in milliseconds.
const SNAPSHOT_INTERVAL = 5_000;

export class Tile {
  #camera;
  #actions;
  #state = null;
  #problem = null;
  #unplayable = null;
  #blocked = false;
  #initMessage = null;
  #leaving = null;
  #noticed = "";
  #snapshotTimer = null;

  // `actions`: `enlarge(tile)`, `fullscreen(tile)`, `panel(tile, which)`.
  constructor(camera, actions) {
    this.#actions = actions;
    this.#build(camera.name);
    this.player = new Player(this.video, { freeze: () => this.#freeze(), failed: () => this.feed.reconnect() });
    this.feed = new Feed(camera.urls.live, {
      begin: () => this.player.begin(),
      state: (state) => this.state(state),
      init: (message) => this.#init(message),
      segment: (bytes) => this.#unplayable === null && this.player.segment(bytes),
      audioUnavailable: ({ error }) => this.#audioUnavailable(error),
      lost: (problem) => this.#lost(problem),
    });
    this.update(camera);
    SOUND.add(this);
  }

  get camera() {
    return this.#camera;
  }

  get name() {
    return this.#camera.name;
  }

  get isPlaying() {
    return this.root.classList.contains("playing") && this.player.isFresh && this.#state.state === "up" && this.#problem === null;
  }

  get initMessage() {
    return this.#initMessage;
  }

  // Updates the tile from `/api/cameras`.
  update(camera) {
    this.#camera = camera;
    // The streams are unknown before the first connection.
    this.mute.disabled = camera.video !== null && camera.sound === null;
    this.talk.button.disabled = this.mute.disabled;
    this.state(camera);
  }

  state(state) {
    const { state: name, since, error, advice, attempts, next_attempt, recording, recording_error } = state;
    this.#state = { state: name, since, error, advice, attempts, next_attempt, recording, recording_error };
    this.refresh();
  }

  // Called when the tile becomes visible or invisible.
  seen(seen) {
    clearTimeout(this.#leaving);
    if (seen) {
      this.feed.open();
      this.player.play();
    } else {
      this.#leaving = setTimeout(() => this.feed.close(), HIDDEN_DELAY);
    }
  }

  retryNow() {
    this.feed.retryNow();
  }

  close() {
    clearTimeout(this.#leaving);
    clearInterval(this.#snapshotTimer);
    this.talk.stop();
    this.feed.close();
    this.player.reset();
    SOUND.delete(this);
    this.root.remove();
  }

  #build(name) {
    this.video = element("video", { playsinline: true, muted: true, tabindex: "-1", "aria-label": `Video of ${name}` });
    // The attribute is only the initial value.
    this.video.muted = true;
    this.video.addEventListener("playing", () => this.#playing());
    this.video.addEventListener("blocked", () => this.#block(true));
    this.still = element("img", { class: "still", alt: "", hidden: true });
    this.frozen = element("canvas", { class: "frozen", "aria-hidden": "true", hidden: true });
    this.open = element("button", {
      type: "button",
      class: "open",
      "aria-label": `Enlarge ${name}`,
      onclick: () => this.#press(),
    });
    this.noticeBox = element("div", { class: "notice", role: "status" });
    this.badge = element("span", { class: "badge" });
    this.rec = element("span", { class: "rec", role: "status" });
    this.figures = element("span", { class: "figures" });
    const head = element("div", { class: "head" }, element("h2", {}, name), this.badge, this.rec, this.figures);
    this.mute = tool("muted", `Unmute ${name}`, () => SOUND.toggle(this), { "data-tool": "mute", "aria-pressed": "false" });
    this.volume = element("input", {
      type: "range", class: "volume", min: "0", max: "1", step: "0.05", "aria-label": `Volume of ${name}`,
      oninput: () => SOUND.setVolume(this, Number(this.volume.value)),
    });
    this.talk = new TalkButton(name, () => this.#camera.urls.talk, this.video);
    const panel = (which, label, picture) =>
      tool(picture, `${label} ${name}`, () => this.#actions.panel(this, which), { "data-tool": which });
    this.tools = element(
      "div",
      { class: "tools" },
      this.mute,
      this.volume,
      this.talk.button,
      panel("controls", "Controls of", "controls"),
      panel("details", "About", "info"),
      tool("fullscreen", `${name} in full screen`, () => this.#actions.fullscreen(this), { "data-tool": "fullscreen" }),
    );
    this.back = tool("back", "Back to all cameras", () => this.#actions.enlarge(null), { class: "tool back", "data-tool": "back" });
    this.root = element("li", { class: "tile" }, this.video, this.frozen, this.still, this.noticeBox, this.open, head, this.back, this.tools);
    this.root.dataset.camera = name;
  }

  #press() {
    if (this.#blocked) {
      this.#block(false);
      this.player.play();
    } else {
      this.#actions.enlarge(this);
    }
  }

  #block(blocked) {
    this.#blocked = blocked;
    this.refresh();
  }

  #init(message) {
    this.#initMessage = message;
    this.#problem = null;
    this.#unplayable = null;
    if (!canPlay(message.mime)) {
      const bare = message.mime.replace(/,[^,"]*"$/, '"');
      if (message.sound !== null && canPlay(bare)) {
        toast(`This browser does not play the audio of ${this.name} (${message.sound.codec})`, "bad");
        SOUND.toggle(this);
        return;
      }
      this.#unplayable = message.video.codec;
      this.player.reset();
      this.root.classList.remove("playing");
    } else {
      this.player.init(message);
    }
    if (message.sound === null && SOUND.isLoud(this)) SOUND.toggle(this);
    this.#showSnapshots();
    this.refresh();
  }

  #audioUnavailable(error) {
    toast(`The audio of ${this.name} cannot be played: ${error}`, "bad");
  }

  // Shows snapshots if the browser cannot play H.264.
  #showSnapshots() {
    clearInterval(this.#snapshotTimer);
    this.#snapshotTimer = null;
    const can = this.#unplayable === "H.264";
    this.still.hidden = !can;
    if (!can) return;
    const take = () => {
      if (document.hidden || !this.feed.wanted) return;
      this.still.src = `${this.#camera.urls.snapshot}?at=${Date.now()}`;
    };
    this.still.onerror = () => {
      this.still.hidden = true;
    };
    this.still.onload = () => {
      this.still.hidden = false;
    };
    this.#snapshotTimer = setInterval(take, SNAPSHOT_INTERVAL);
    take();
  }

  // Shows the last frame while the video element has none.
  #freeze() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth === 0) return;
    this.frozen.width = videoWidth;
    this.frozen.height = videoHeight;
    this.frozen.getContext("2d").drawImage(this.video, 0, 0);
    this.frozen.hidden = false;
  }

  #playing() {
    this.#blocked = false;
    this.frozen.hidden = true;
    this.root.classList.add("playing");
    this.refresh();
  }

  #lost(problem) {
    this.#problem = problem ?? { error: "The server does not answer", advice: "The page reconnects automatically" };
    this.refresh();
  }

  // Updates everything that depends on time. Called every second.
  refresh() {
    const [label, tone] = this.#problem !== null ? ["Offline", "bad"] : badge(this.#state.state);
    const waits = label === "Live" && !this.isPlaying && this.#unplayable === null;
    this.badge.textContent = waits ? "Starting" : label;
    this.root.dataset.tone = waits ? "wait" : tone;
    this.root.dataset.state = this.#state.state;
    this.#recording();
    this.#figures();
    this.#notice();
  }

  #recording() {
    const [text, title] = recordingMark(this.#state);
    if (this.rec.textContent === text && this.rec.title === title) return;
    this.rec.textContent = text;
    this.rec.title = title;
    this.rec.dataset.recording = this.#state.recording;
  }

  #figures() {
    const lag = this.isPlaying ? this.player.lag() : null;
    const parts = [];
    // Includes the time for decoding and display.
    if (lag !== null) parts.push(`${seconds(Math.max(0.1, lag))} latency`);
    const { stats, viewers } = this.#camera;
    const shown = this.isPlaying ? stats.frames_per_second : null;
    const more = [shown === null ? null : `${Math.round(shown)} fps`, this.isPlaying ? count(Math.max(1, viewers.length), "viewer", "viewers") : null];
    this.figures.replaceChildren(
      ...parts.map((part) => element("span", { class: "lag" }, part)),
      element("span", { class: "more" }, more.filter((part) => part !== null).join(" · ")),
    );
  }

  #currentNotice() {
    if (this.#problem !== null) {
      const { error, advice } = this.#problem;
      return { tone: "bad", icon: "warning", title: error, lines: [advice], small: "" };
    }
    if (this.#state.state !== "up") return notice(this.#state);
    if (this.#unplayable !== null) {
      const { urls } = this.#camera;
      return {
        tone: "wait",
        icon: "warning",
        title: `This browser does not play ${this.#unplayable}`,
        lines: ["Use another browser, or a player. The URLs are under “About”.", urls.rtsp ?? ""],
        small: "",
      };
    }
    if (this.#blocked) return { tone: "wait", icon: "play", title: "Tap to play", lines: [], small: "" };
    return this.isPlaying ? null : notice(this.#state);
  }

  #notice() {
    const shown = this.#currentNotice();
    const key = JSON.stringify(shown);
    if (key === this.#noticed) return;
    // Screen readers do not announce the countdown.
    const same = this.#noticed !== "" && shown !== null && JSON.parse(this.#noticed)?.title === shown.title;
    this.#noticed = key;
    this.root.classList.toggle("troubled", shown !== null);
    if (shown === null) return void this.noticeBox.replaceChildren();
    if (same && this.noticeBox.lastElementChild?.matches(".small")) {
      const texts = [...this.noticeBox.querySelectorAll("p:not(.small)")].map((line) => line.textContent);
      if (texts.join("\n") === shown.lines.filter((line) => line).join("\n")) {
        this.noticeBox.lastElementChild.textContent = shown.small;
        return;
      }
    }
    this.noticeBox.dataset.tone = shown.tone;
    this.noticeBox.replaceChildren(
      icon(shown.icon),
      element("strong", {}, shown.title),
      ...shown.lines.filter((line) => line).map((line) => element("p", {}, line)),
      element("p", { class: "small", "aria-live": "off" }, shown.small),
    );
  }

  // Shows whether the camera is muted.
  showSound(loud, volume) {
    rename(this.mute, loud ? "loud" : "muted", loud ? `Mute ${this.name}` : `Unmute ${this.name}`);
    this.mute.setAttribute("aria-pressed", String(loud));
    this.root.classList.toggle("loud", loud);
    this.feed.setSound(loud);
    this.volume.value = String(volume);
  }
}
