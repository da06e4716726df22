// Plays segments in a video element, as close to the newest as goes without stalling (Media Source Extensions).

const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;

// All in seconds. What is kept in front of the place that is played when the next segment comes: at first, at most,
// and how much more where it stalls. Chromium wants 0.2 s of sound before it plays any.
const CUSHION = 0.06;
const CUSHION_WITH_SOUND = 0.22;
const MOST_CUSHION = 0.8;
const STEP = 0.04;
// It is played faster where there is so much more than that, and jumped where there is very much more.
const SLACK = 0.04;
const FAR = 1;
// As much as nobody sees, and as nobody hears.
const FASTEST = 1.1;
const FASTEST_WITH_SOUND = 1.06;
// How much farther behind it begins: about a picture.
const RUN_UP = 0.05;
// In milliseconds: cameras send several pictures a second. And where they come and nothing is played for so long, it
// never will be.
const FRESH = 4_000;
const STUCK = 4_000;
// A stall this long after another is one more of the same kind, in milliseconds.
const SOON = 20_000;
// What was played is kept for so long, and given back in parts.
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
  #told = null;
  // Where the time 0 of this connection stands in the element's.
  #base = null;
  // Where the newest initialization segment's time 0 stands, and the time of day there.
  #start = 0;
  #wall = 0;
  #mime = "";
  #hasSound = false;
  // When something came last; where it was played last, and since when.
  #newest = 0;
  #place = -1;
  #moved = 0;
  #placed = false;
  #cushion = CUSHION;
  // Since when what is kept in front is as it should be; and when it stalled last.
  #calm = 0;
  #dried = -SOON;
  #least = new Least(2_000);
  #early = new Least(30_000);

  // `freeze()` is called before the picture goes for a moment; `failed(error)` when it can go on only with a new
  // connection.
  constructor(video, { freeze, failed }) {
    this.#video = video;
    this.#freeze = freeze;
    this.#failed = failed;
    // Nothing of it can be handed to another screen; ManagedMediaSource asks for this to be said.
    video.disableRemotePlayback = true;
    // To keep the pitch takes more in front than the little that the speed changes is worth.
    video.preservesPitch = false;
    video.addEventListener("waiting", () => this.#dry());
    video.addEventListener("error", () => this.#fail(video.error));
  }

  // A new connection: its times begin anew, and what is there stays.
  begin() {
    this.#moved = performance.now();
    this.#base = null;
    this.#told = null;
    this.#queue = this.#queue.filter((part) => part.told === undefined);
  }

  init(told) {
    this.#told = told;
  }

  segment(bytes) {
    const told = this.#told ?? undefined;
    this.#told = null;
    if (told !== undefined && this.#source !== null && this.#hasSound !== (told.sound !== null)) this.reset();
    if (told !== undefined) this.#hasSound = told.sound !== null;
    this.#queue.push({ bytes, told });
    if (this.#source === null) this.#open();
    this.#newest = performance.now();
    this.#arrived();
    if (this.#isStuck()) this.#fail(new Error("nothing is played"));
    else this.#pump();
  }

  // Forgets all: a source's tracks cannot become more or fewer.
  reset() {
    if (this.#source !== null) this.#freeze();
    this.#queue = [];
    this.#told = null;
    this.#base = null;
    this.#buffer = null;
    this.#source = null;
    this.#placed = false;
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  // Whether something new came of late.
  get isFresh() {
    return performance.now() - this.#newest < FRESH;
  }

  // Seconds that the picture is behind the camera, as far as both clocks agree.
  lag() {
    if (this.#wall === 0 || !this.#placed) return null;
    const early = this.#early.value();
    // What comes before it was sent, or much later, comes from a clock that is another.
    const skew = early < 0 || early > 1_000 ? early : 0;
    return Math.max(0, (Date.now() - this.#wallAt(this.#video.currentTime) - skew) / 1_000);
  }

  // What the element has to play still, in seconds.
  get ahead() {
    return this.#end() - this.#video.currentTime;
  }

  #wallAt(time) {
    return this.#wall + (time - this.#start) * 1_000;
  }

  // When the newest came, by the time of day: the least of late is what the way takes, and the clocks' difference.
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

  get #leastCushion() {
    return this.#hasSound ? CUSHION_WITH_SOUND : CUSHION;
  }

  #open() {
    const source = new Source();
    this.#source = source;
    this.#cushion = this.#leastCushion;
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
        if (first.told === undefined) return void this.#queue.shift();
        this.#buffer = source.addSourceBuffer(first.told.mime);
        this.#mime = first.told.mime;
        const buffer = this.#buffer;
        buffer.addEventListener("updateend", () => this.#buffer === buffer && this.#appended());
        source.duration = Infinity;
      }
      if (this.#placed) this.#least.note(this.ahead);
      if (first.told !== undefined) this.#turn(first.told);
      const { bytes, count } = this.#next();
      this.#buffer.appendBuffer(bytes);
      this.#queue.splice(0, count);
    } catch (error) {
      if (error.name === "QuotaExceededError") this.#makeRoom();
      else this.#fail(error);
    }
  }

  // Segments of another kind follow.
  #turn(told) {
    const buffer = this.#buffer;
    buffer.abort();
    if (told.mime !== this.#mime) buffer.changeType(told.mime);
    this.#mime = told.mime;
    this.#base ??= this.#end() - told.offset;
    this.#start = this.#base + told.offset;
    this.#wall = told.wall;
    this.#early.reset();
    buffer.timestampOffset = this.#start;
  }

  // As many parts as go together: many small ones at once are slow.
  #next() {
    let count = 1;
    while (this.#queue[count] !== undefined && this.#queue[count].told === undefined) count += 1;
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
    this.#steer();
    if (this.#buffer.updating) return;
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    const old = buffered.length > 0 && buffered.start(0) < now - KEPT;
    if (old) this.#buffer.remove(0, now - TRIMMED);
    else this.#pump();
  }

  // Goes to where it should be, or changes the speed a little.
  #steer() {
    const video = this.#video;
    const { buffered } = this.#buffer;
    // All that came at once is to be there first: it is known only then which is the newest.
    if (buffered.length === 0 || this.#queue.length > 0 || video.seeking) return;
    const ahead = this.ahead;
    if (!this.#placed || ahead > FAR || ahead < -FAR || this.#inHole()) {
      const first = buffered.start(buffered.length - 1);
      video.currentTime = Math.max(first, this.#end() - this.#cushion - RUN_UP);
      this.#placed = true;
      this.#least.reset();
      this.#calm = performance.now();
      this.play();
      return;
    }
    if (video.paused && !document.hidden) this.play();
    const now = performance.now();
    if (now - this.#calm > 30_000) {
      this.#calm = now;
      this.#cushion = Math.max(this.#leastCushion, this.#cushion - STEP / 2);
    }
    const more = this.#least.value() - this.#cushion;
    const fastest = this.#hasSound ? FASTEST_WITH_SOUND : FASTEST;
    const speed = more > SLACK ? Math.min(fastest, 1.02 + more / 4) : more < -SLACK ? 0.97 : 1;
    // To set it at all costs something.
    if (Math.abs(video.playbackRate - speed) > 0.009 || (speed === 1 && video.playbackRate !== 1)) {
      video.playbackRate = speed;
    }
  }

  #inHole() {
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    return buffered.length > 0 && now < buffered.start(buffered.length - 1) && this.#video.readyState < 3;
  }

  // Nobody pauses it but the browser.
  async play() {
    if (!this.#video.paused) return;
    try {
      await this.#video.play();
    } catch (error) {
      // Only a person may begin it here. Others say that something else was asked for meanwhile.
      if (error.name === "NotAllowedError") this.#video.dispatchEvent(new Event("blocked"));
    }
  }

  // There was nothing to play: more is kept from now on.
  #dry() {
    if (!this.#placed || this.#video.seeking || performance.now() - this.#calm < 1_500) return;
    // One alone may have any cause; who stalls again soon needs more.
    const again = performance.now() - this.#dried < SOON;
    this.#calm = performance.now();
    this.#dried = this.#calm;
    if (again) this.#cushion = Math.min(MOST_CUSHION, Math.max(this.#cushion, this.#least.value()) + STEP);
  }

  #makeRoom() {
    const { buffered } = this.#buffer;
    const now = this.#video.currentTime;
    const start = buffered.length > 0 ? buffered.start(0) : 0;
    if (start < now - 1) this.#buffer.remove(start, now - 0.5);
    else this.#fail(new Error("the browser keeps no more"));
  }

  #end() {
    const buffered = this.#buffer?.buffered;
    return buffered !== undefined && buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
  }

  #fail(error) {
    // An element that is reset says so too.
    if (error === null || this.#source === null) return;
    this.reset();
    this.#failed(error);
  }
}

// The least of what was noted of late.
class Least {
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

  // 0 where nothing was.
  value() {
    const least = Math.min(this.#older, this.#newer);
    return least === Infinity ? 0 : least;
  }

  reset() {
    this.#older = Infinity;
    this.#newer = Infinity;
  }
}
