// The server's API: requests, events, and what is said where something cannot be done.

// An error as the server tells it: what is wrong, what to try, what would do.
export class Problem extends Error {
  constructor(status, { error, advice = "", allowed = [] }) {
    super(error);
    this.status = status;
    this.advice = advice;
    this.allowed = allowed;
  }

  // In one line.
  get text() {
    const allowed = this.allowed.length > 0 && this.allowed.length < 12;
    const parts = [this.message, allowed ? `Allowed: ${this.allowed.join(", ")}` : this.advice];
    return parts.filter((part) => part !== "").join(". ");
  }
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Problem(0, { error: "The server does not answer", advice: "Check that it runs, and the network" });
  }
  const json = await answer.json().catch(() => null);
  if (answer.ok && json !== null) return json;
  throw new Problem(answer.status, json ?? { error: `The server answered ${answer.status}` });
}

export const cameras = async () => (await ask("/api/cameras")).cameras;

export const get = (url) => ask(url);

// `values` in the catalogue's words.
export const post = (url, values, confirm) =>
  ask(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(confirm ? { values, confirm: true } : { values }),
  });

export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

// Waits between attempts: longer each time, and not in step with others.
export class Patience {
  #most;
  #wait;

  constructor(least = 500, most = 10_000) {
    this.least = least;
    this.#most = most;
    this.#wait = least;
  }

  // Milliseconds until the next attempt.
  next() {
    const wait = this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(this.#wait * 2, this.#most);
    return wait;
  }

  reset() {
    this.#wait = this.least;
  }
}

// Server-sent events, for as long as the page is there. `link(false)` is called when they break off.
export function listen(handlers, link) {
  const patience = new Patience();
  const open = () => {
    const source = new EventSource("/api/events");
    for (const [kind, handle] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
    source.onopen = () => {
      patience.reset();
      link(true);
    };
    source.onerror = () => {
      link(false);
      // Browsers try again by themselves, but for some answers they give up.
      source.close();
      setTimeout(open, patience.next());
    };
  };
  open();
}
