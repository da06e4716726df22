// Plays segments in a video element with low latency (Media Source Extensions).

const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;

// The target buffer when the next segment arrives, its maximum, and the increment after stalls, in seconds. Chromium needs
// 0.2 s of audio before it plays.
const BUFFER = 0.06;
const BUFFER_WITH_AUDIO = 0.22;
const MAX_BUFFER = 0.8;
const STEP = 0.04;
// Playback speeds up if the buffer exceeds the target by `SLACK`, and seeks if it exceeds `FAR`, in seconds.
const SLACK = 0.04;
const FAR = 1;
// The maximum playback rates that are not noticeable.
const MAX_RATE = 1.1;
const MAX_RATE_WITH_AUDIO = 1.06;
// The additional initial buffer, about one frame, in seconds.
const INITIAL_EXTRA = 0.05;
// How long the newest segment counts as recent, and after how long without progress playback has failed, in milliseconds.
const FRESH = 4_000;
const STUCK = 4_000;
// Two stalls within this time increase the target buffer, in milliseconds.
const STALL_WINDOW = 20_000;
// The played buffer is trimmed to `TRIMMED` when it exceeds `KEPT`, in seconds.
const KEPT = 30;
const TRIMMED = 10;

export const canPlay = (mime) => Source !== undefined && Source.isTypeSupported(mime);

export class Player {
  #video;
  #freeze;
  #failed;
  #source = null;
  #buffer = null;
  #url = null;
  #queue = [];
  #init = null;
  // The connection's time 0 on the element's time line.
  #base = null;
  // The time 0 of the newest initialization segment on the element's time line, and its time of day.
  #start = 0;
  #wall = 0;
  #mime = "";
  #hasSound = false;
  // When the newest segment arrived, the last playback position, and when it changed.
  #newest = 0;
  #place = -1;
  #moved = 0;
  #placed = false;
  #target = BUFFER;
  // When the target buffer was last adjusted, and when playback last stalled.
  #adjusted = 0;
  #stalled = -STALL_WINDOW;
  #least = new RecentMinimum(2_000);
  #early = new RecentMinimum(30_000);

  // `freeze()` is called before the video disappears for a moment, and `failed(error)` when a new connection is needed.
  constructor(video, { freeze, failed }) {
    this.#video = video;
    this.#freeze = freeze;
    this.#failed = failed;
    // Required by ManagedMediaSource.
    video.disableRemotePlayback = true;
    // Preserving the pitch needs a larger buffer.
    video.preservesPitch = false;
    video.addEventListener("waiting", () => this.#stall());
    video.addEventListener("error", () => this.#fail(video.error));
  }

  // A new connection has a new time line. The buffer is kept.
  begin() {
    this.#moved = performance.now();
    this.#base = null;
    this.#init = null;
    this.#queue = this.#queue.filter((part) => part.init === undefined);
  }

  init(init) {
    this.#init = init;
  }

  segment(bytes) {
    const init = this.#init ?? undefined;
    this.#init = null;
    if (init !== undefined && this.#source !== null && this.#hasSound !== (init.sound !== null)) this.reset();
    if (init !== undefined) this.#hasSound = init.sound !== null;
    this.#queue.push({ bytes, init });
    if (this.#source === null) this.#open();
    this.#newest = performance.now();
    this.#arrived();
    if (this.#isStuck()) this.#fail(new Error("playback does not start"));
    else this.#pump();
  }

  // Drops everything. The number of tracks of a source cannot change.
  reset() {
    if (this.#source !== null) this.#freeze();
    this.#queue = [];
    this.#init = null;
    this.#base = null;
    this.#buffer = null;
    this.#source = null;
    this.#placed = false;
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  // Returns `true` if a segment arrived recently.
  get isFresh() {
    return performance.now() - this.#newest < FRESH;
  }

  // Returns the latency in seconds, corrected for the difference between both clocks.
  lag() {
    if (this.#wall === 0 || !this.#placed) return null;
    const early = this.#early.value();
    // Segments that arrive before they were sent, or much later, show that the clocks differ.
    const skew = early < 0 || early > 1_000 ? early : 0;
    return Math.max(0, (Date.now() - this.#wallAt(this.#video.currentTime) - skew) / 1_000);
  }

  // Returns the buffered time ahead of the playback position, in seconds.
  get ahead() {
    return this.#end() - this.#video.currentTime;
  }

  #wallAt(time) {
    return this.#wall + (time - this.#start) * 1_000;
  }

  // Records the delay of the newest segment. The recent minimum is the network delay plus the clock difference.
  #arrived() {
    if (this.#wall !== 0 && this.#placed) this.#early.note(Date.now() - this.#wallAt(this.#end()));
  }

  #isStuck() {
    const { currentTime, paused } = this.#video;
    const now = performance.now();
    const waits = document.hidden || (paused && this.#placed);
    if (waits || currentTime !== this.#place) this.#moved = now;
    this.#place = currentTime;
    return now - this.#moved > STUCK;
  }

  get #minTarget() {
    return this.#hasSound ? BUFFER_WITH_AUDIO : BUFFER;
  }

  #open() {
    const source = new Source();
    this.#source = source;
    this.#target = this.#minTarget;
    this.#url = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => this.#source === source && this.#pump(), { once: true });
    this.#video.src = this.#url;
    this.#video.load();
  }

  #pump() {
    const source = this.#source;
    if (source?.readyState !== "open" || this.#buffer?.updating) return;
    const first = this.#queue[0];
    if (first === undefined) return;
    try {
      if (this.#buffer === null) {
        if (first.init === undefined) return void this.#queue.shift();
        this.#buffer = source.addSourceBuffer(first.init.mime);
        this.#mime = first.init.mime;
        const buffer = this.#buffer;
        buffer.addEventListener("updateend", () => this.#buffer === buffer && this.#appended());
        source.duration = Infinity;
      }
      if (this.#placed) this.#least.note(this.ahead);
      if (first.init !== undefined) this.#switch(first.init);
      const { bytes, count } = this.#next();
      this.#buffer.appendBuffer(bytes);
      this.#queue.splice(0, count);
    } catch (error) {
      if (error.name === "QuotaExceededError") this.#makeRoom();
      else this.#fail(error);
    }
  }

  // Switches to another initialization segment.
  #switch(init) {
    const buffer = this.#buffer;
    buffer.abort();
    if (init.mime !== this.#mime) buffer.changeType(init.mime);
    this.#mime = init.mime;
    this.#base ??= this.#end() - init.offset - (init.start ?? 0);
    this.#start = this.#base + init.offset;
    this.#wall = init.wall;
    this.#early.reset();
    buffer.timestampOffset = this.#start;
  }

  // Joins queued segments, because many small appends are slow.
  #next() {
    let count = 1;
    while (this.#queue[count] !== undefined && this.#queue[count].init === undefined) count += 1;
    const parts = this.#queue.slice(0, count);
    if (count === 1) return { bytes: parts[0].bytes, count };
    const whole = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
    let at = 0;
    for (const { bytes } of parts) {
      whole.set(new Uint8Array(bytes), at);
      at += bytes.byteLength;
    }
    return { bytes: whole, count };
  }

  #appended() {
    this.#adjust();
    if (this.#buffer.updating) return;
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    const old = buffered.length > 0 && buffered.start(0) < now - KEPT;
    if (old) this.#buffer.remove(0, now - TRIMMED);
    else this.#pump();
  }

  // Seeks, or adjusts the playback rate.
  #adjust() {
    const video = this.#video;
    const { buffered } = this.#buffer;
    // Waits until all queued segments are appended.
    if (buffered.length === 0 || this.#queue.length > 0 || video.seeking) return;
    const ahead = this.ahead;
    if (!this.#placed || ahead > FAR || ahead < -FAR || this.#inGap()) {
      const first = buffered.start(buffered.length - 1);
      video.currentTime = Math.max(first, this.#end() - this.#target - INITIAL_EXTRA);
      this.#placed = true;
      this.#least.reset();
      this.#adjusted = performance.now();
      this.play();
      return;
    }
    if (video.paused && !document.hidden) this.play();
    const now = performance.now();
    if (now - this.#adjusted > 30_000) {
      this.#adjusted = now;
      this.#target = Math.max(this.#minTarget, this.#target - STEP / 2);
    }
    const more = this.#least.value() - this.#target;
    const fastest = this.#hasSound ? MAX_RATE_WITH_AUDIO : MAX_RATE;
    const speed = more > SLACK ? Math.min(fastest, 1.02 + more / 4) : more < -SLACK ? 0.97 : 1;
    // Setting the rate is not free.
    if (Math.abs(video.playbackRate - speed) > 0.009 || (speed === 1 && video.playbackRate !== 1)) {
      video.playbackRate = speed;
    }
  }

  #inGap() {
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    return buffered.length > 0 && now < buffered.start(buffered.length - 1) && this.#video.readyState < 3;
  }

  // Resumes playback after the browser paused it.
  async play() {
    if (!this.#video.paused) return;
    try {
      await this.#video.play();
    } catch (error) {
      // The browser requires a user action. Other errors mean that another request replaced this one.
      if (error.name === "NotAllowedError") this.#video.dispatchEvent(new Event("blocked"));
    }
  }

  // Playback stalled: increases the target buffer.
  #stall() {
    if (!this.#placed || this.#video.seeking || performance.now() - this.#adjusted < 1_500) return;
    // A single stall is ignored.
    const again = performance.now() - this.#stalled < STALL_WINDOW;
    this.#adjusted = performance.now();
    this.#stalled = this.#adjusted;
    if (again) this.#target = Math.min(MAX_BUFFER, Math.max(this.#target, this.#least.value()) + STEP);
  }

  #makeRoom() {
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    const start = buffered.length > 0 ? buffered.start(0) : 0;
    if (start < now - 1) this.#buffer.remove(start, now - 0.5);
    else this.#fail(new Error("the browser's buffer is full"));
  }

  #end() {
    const buffered = this.#buffer?.buffered;
    return buffered !== undefined && buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
  }

  #fail(error) {
    // Resetting the element also causes an error event.
    if (error === null || this.#source === null) return;
    this.reset();
    this.#failed(error);
  }
}

// The recent minimum of a value.
class RecentMinimum {
  #time;
  #older = Infinity;
  #newer = Infinity;
  #since = 0;

  constructor(time) {
    this.#time = time;
  }

  note(value) {
    const now = performance.now();
    if (now - this.#since > this.#time / 2) {
      this.#older = this.#newer;
      this.#newer = Infinity;
      this.#since = now;
    }
    this.#newer = Math.min(this.#newer, value);
  }

  // Returns 0 without values.
  value() {
    const least = Math.min(this.#older, this.#newer);
    return least === Infinity ? 0 : least;
  }

  reset() {
    this.#older = Infinity;
    this.#newer = Infinity;
  }
}
