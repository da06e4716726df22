// Texts for states, times and numbers.

// A time of day, with the date unless it is today.
export function moment(millis) {
  const then = new Date(millis);
  const today = then.toDateString() === new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: today ? "2-digit" : undefined };
  return then.toLocaleString([], today ? time : { ...time, day: "numeric", month: "short" });
}

export const seconds = (value) => `${value.toFixed(value < 9.95 ? 1 : 0)} s`;

export function bytes(value) {
  return value >= 1_000_000 ? `${(value / 1_000_000).toFixed(1)} MB/s` : `${Math.round(value / 1_000)} kB/s`;
}

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

// `night-vision` → `Night vision`.
export function title(name) {
  const words = name.replaceAll(/[-_]/g, " ").replaceAll(/\b(sd|rtsp|fps)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// A message of the server, starting with a capital letter.
export const sentence = (text) => (text ? text.charAt(0).toUpperCase() + text.slice(1) : "");

// The badge of a state, and its tone: `good`, `wait` or `bad`.
export function badge(state) {
  switch (state) {
    case "up":
      return ["Live", "good"];
    case "connecting":
      return ["Connecting", "wait"];
    case "idle":
      return ["Waiting", "wait"];
    case "closed":
      return ["Removed", "bad"];
    default:
      return ["Offline", "bad"];
  }
}

// The mark of a recorded camera, and its explanation.
export function recordingMark({ recording, recording_error: error }) {
  switch (recording) {
    case "on":
      return ["REC", "This camera is recorded"];
    case "failed":
      return ["Not recorded", sentence(error)];
    default:
      return ["", ""];
  }
}

// The notice that is shown instead of the video: `{ tone, icon, title, lines, small }`.
export function notice(state, now = Date.now()) {
  switch (state?.state) {
    case "down":
    case "failed": {
      const next = state.next_attempt === null ? null : Math.max(0, state.next_attempt - now);
      const tries = state.attempts ? count(state.attempts, "try", "tries") : "";
      const again = next === null || state.state === "failed" ? "" : next < 1_000 ? "Trying again" : `Next try in ${Math.ceil(next / 1_000)} s`;
      return {
        tone: "bad",
        icon: "offline",
        title: `Offline since ${moment(state.since)}`,
        lines: [sentence(state.error), sentence(state.advice)],
        small: [again, tries].filter((part) => part !== "").join(" · "),
      };
    }
    case "closed":
      return { tone: "bad", icon: "offline", title: "This camera was removed", lines: [], small: "" };
    default:
      return { tone: "wait", icon: "camera", title: state?.state === "up" ? "Waiting for video" : "Connecting", lines: [], small: "" };
  }
}
