// One camera: its picture, how it stands, and its tools.

import { Feed } from "./feed.js";
import { element, icon, rename, toast, tool } from "./dom.js";
import { canPlay, Player } from "./player.js";
import { SOUND } from "./sound.js";
import { TalkButton } from "./talk.js";
import { badge, count, notice, seconds } from "./words.js";

// A feed that nobody sees ends after so long, in milliseconds.
const UNSEEN = 5_000;
// How often a picture that cannot be played is taken as a photo instead.
const PHOTO = 5_000;

export class Tile {
  #camera;
  #actions;
  #state = null;
  #problem = null;
  #unplayable = null;
  #blocked = false;
  #told = null;
  #leaving = null;
  #noticed = "";
  #photo = null;

  // `actions`: `enlarge(tile)`, `fullscreen(tile)`, `panel(tile, which)`.
  constructor(camera, actions) {
    this.#actions = actions;
    this.#build(camera.name);
    this.player = new Player(this.video, { freeze: () => this.#freeze(), failed: () => this.feed.again() });
    this.feed = new Feed(camera.urls.live, {
      begin: () => this.player.begin(),
      state: (state) => this.state(state),
      init: (told) => this.#init(told),
      segment: (bytes) => this.#unplayable === null && this.player.segment(bytes),
      leftOut: ({ error }) => this.#leftOut(error),
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

  get told() {
    return this.#told;
  }

  // What `/api/cameras` says.
  update(camera) {
    this.#camera = camera;
    // What it sends is not known before it was there.
    this.mute.disabled = camera.video !== null && camera.sound === null;
    this.talk.button.disabled = this.mute.disabled;
    this.state(camera);
  }

  state(state) {
    const { state: word, since, error, advice, attempts, next_attempt } = state;
    this.#state = { state: word, since, error, advice, attempts, next_attempt };
    this.refresh();
  }

  // Whether somebody can see it.
  seen(seen) {
    clearTimeout(this.#leaving);
    if (seen) {
      this.feed.open();
      this.player.play();
    } else {
      this.#leaving = setTimeout(() => this.feed.close(), UNSEEN);
    }
  }

  hurry() {
    this.feed.hurry();
  }

  close() {
    clearTimeout(this.#leaving);
    clearInterval(this.#photo);
    this.talk.stop();
    this.feed.close();
    this.player.reset();
    SOUND.delete(this);
    this.root.remove();
  }

  #build(name) {
    this.video = element("video", { playsinline: true, muted: true, tabindex: "-1", "aria-label": `Picture of ${name}` });
    // The attribute alone says only how it is at first.
    this.video.muted = true;
    this.video.addEventListener("playing", () => this.#playing());
    this.video.addEventListener("blocked", () => this.#block(true));
    this.still = element("img", { class: "still", alt: "", hidden: true });
    this.frozen = element("canvas", { class: "frozen", "aria-hidden": "true", hidden: true });
    this.open = element("button", {
      type: "button",
      class: "open",
      "aria-label": `Show ${name} large`,
      onclick: () => this.#press(),
    });
    this.noticeBox = element("div", { class: "notice", role: "status" });
    this.badge = element("span", { class: "badge" });
    this.figures = element("span", { class: "figures" });
    const head = element("div", { class: "head" }, element("h2", {}, name), this.badge, this.figures);
    this.mute = tool("muted", `Hear ${name}`, () => SOUND.toggle(this), { "data-tool": "mute", "aria-pressed": "false" });
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
      tool("fullscreen", `${name} on the full screen`, () => this.#actions.fullscreen(this), { "data-tool": "fullscreen" }),
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

  #init(told) {
    this.#told = told;
    this.#problem = null;
    this.#unplayable = null;
    if (!canPlay(told.mime)) {
      const bare = told.mime.replace(/,[^,"]*"$/, '"');
      if (told.sound !== null && canPlay(bare)) {
        toast(`This browser does not play the sound of ${this.name} (${told.sound.codec})`, "bad");
        SOUND.toggle(this);
        return;
      }
      this.#unplayable = told.video.codec;
      this.player.reset();
      this.root.classList.remove("playing");
    } else {
      this.player.init(told);
    }
    if (told.sound === null && SOUND.isLoud(this)) SOUND.toggle(this);
    this.#photos();
    this.refresh();
  }

  #leftOut(error) {
    toast(`The sound of ${this.name} cannot be heard here: ${error}`, "bad");
  }

  // Where the browser plays nothing of it, the server may make photos of H.264.
  #photos() {
    clearInterval(this.#photo);
    this.#photo = null;
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
    this.#photo = setInterval(take, PHOTO);
    take();
  }

  // The last picture stands while the element has none.
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
    this.#problem = problem ?? { error: "The server does not answer", advice: "It is tried again by itself" };
    this.refresh();
  }

  // Everything that changes by itself: called each second as well.
  refresh() {
    const [word, tone] = this.#problem !== null ? ["Away", "bad"] : badge(this.#state.state);
    const waits = word === "Live" && !this.isPlaying && this.#unplayable === null;
    this.badge.textContent = waits ? "Starting" : word;
    this.root.dataset.tone = waits ? "wait" : tone;
    this.root.dataset.state = this.#state.state;
    this.#figures();
    this.#notice();
  }

  #figures() {
    const lag = this.isPlaying ? this.player.lag() : null;
    const parts = [];
    // To decode and to show it takes time too.
    if (lag !== null) parts.push(`${seconds(Math.max(0.1, lag))} behind`);
    const { stats, viewers } = this.#camera;
    const shown = this.isPlaying ? stats.pictures_per_second : null;
    const more = [shown === null ? null : `${Math.round(shown)} fps`, this.isPlaying ? count(Math.max(1, viewers.length), "viewer", "viewers") : null];
    this.figures.replaceChildren(
      ...parts.map((part) => element("span", { class: "lag" }, part)),
      element("span", { class: "more" }, more.filter((part) => part !== null).join(" · ")),
    );
  }

  #wrong() {
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
        lines: ["Another browser or a player may: its addresses are under “About”.", urls.rtsp ?? ""],
        small: "",
      };
    }
    if (this.#blocked) return { tone: "wait", icon: "play", title: "Tap to play", lines: [], small: "" };
    return this.isPlaying ? null : notice(this.#state);
  }

  #notice() {
    const wrong = this.#wrong();
    const key = JSON.stringify(wrong);
    if (key === this.#noticed) return;
    // What counts down is not news for those who hear the page.
    const same = this.#noticed !== "" && wrong !== null && JSON.parse(this.#noticed)?.title === wrong.title;
    this.#noticed = key;
    this.root.classList.toggle("troubled", wrong !== null);
    if (wrong === null) return void this.noticeBox.replaceChildren();
    if (same && this.noticeBox.lastElementChild?.matches(".small")) {
      const texts = [...this.noticeBox.querySelectorAll("p:not(.small)")].map((line) => line.textContent);
      if (texts.join("\n") === wrong.lines.filter((line) => line).join("\n")) {
        this.noticeBox.lastElementChild.textContent = wrong.small;
        return;
      }
    }
    this.noticeBox.dataset.tone = wrong.tone;
    this.noticeBox.replaceChildren(
      icon(wrong.icon),
      element("strong", {}, wrong.title),
      ...wrong.lines.filter((line) => line).map((line) => element("p", {}, line)),
      element("p", { class: "small", "aria-live": "off" }, wrong.small),
    );
  }

  // What the sound does, shown.
  showSound(loud, volume) {
    rename(this.mute, loud ? "loud" : "muted", loud ? `Mute ${this.name}` : `Hear ${this.name}`);
    this.mute.setAttribute("aria-pressed", String(loud));
    this.root.classList.toggle("loud", loud);
    this.feed.setSound(loud);
    this.volume.value = String(volume);
  }
}
