// The server's API: requests, events and errors.

// An error of the server, with advice and allowed values.
export class Problem extends Error {
  constructor(status, { error, advice = "", allowed = [] }) {
    super(error);
    this.status = status;
    this.advice = advice;
    this.allowed = allowed;
  }

  // The error as one line.
  get text() {
    const allowed = this.allowed.length > 0 && this.allowed.length < 12;
    const parts = [this.message, allowed ? `Allowed: ${this.allowed.join(", ")}` : this.advice];
    return parts.filter((part) => part !== "").join(". ");
  }
}

async function request(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Problem(0, { error: "The server does not answer", advice: "Check that it is running, and check the network" });
  }
  if (answer.status === 401) location.replace("/login");
  const json = await answer.json().catch(() => null);
  if (answer.ok && json !== null) return json;
  throw new Problem(answer.status, json ?? { error: `The server answered ${answer.status}` });
}

export const cameras = async () => (await request("/api/cameras")).cameras;

// The user: `name`, `role` and `can_log_out`.
export const user = () => request("/api/user");

export async function logOut() {
  await fetch("/logout", { method: "POST" }).catch(() => null);
  location.replace("/login");
}

export const get = (url) => request(url);

// Sets a control. `values` are texts of the catalogue.
export const post = (url, values, confirm) =>
  request(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(confirm ? { values, confirm: true } : { values }),
  });

export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

// Exponential back-off with jitter.
export class Backoff {
  #min;
  #max;
  #wait;

  constructor(min = 500, max = 10_000) {
    this.#min = min;
    this.#max = max;
    this.#wait = min;
  }

  // Milliseconds until the next attempt.
  next() {
    const wait = this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(this.#wait * 2, this.#max);
    return wait;
  }

  reset() {
    this.#wait = this.#min;
  }
}

// Subscribes to server-sent events. Calls `link(true)` when connected, and `link(false)` when the connection is lost.
export function listen(handlers, link) {
  const backoff = new Backoff();
  const open = () => {
    const source = new EventSource("/api/events");
    for (const [kind, handle] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
    source.onopen = () => {
      backoff.reset();
      link(true);
    };
    source.onerror = () => {
      link(false);
      // Opens the login page if the session has ended.
      user().catch(() => null);
      // Browsers reconnect, but not after every error.
      source.close();
      setTimeout(open, backoff.next());
    };
  };
  open();
}
