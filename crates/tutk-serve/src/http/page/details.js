// The details of a camera: state, streams, statistics, viewers and URLs.

import { element, icon, toast } from "./dom.js";
import { badge, bytes, moment, seconds } from "./texts.js";

export class Details {
  #tile;
  #facts = element("dl", { class: "facts" });

  constructor(tile, body) {
    this.#tile = tile;
    const { urls } = tile.camera;
    const absolute = (path) => new URL(path, location.href).href;
    const addresses = [
      ["RTSP", urls.rtsp, "for players and recorders"],
      ["MP4", absolute(urls.mp4), "fragmented"],
      ["MPEG-TS", absolute(urls.ts), ""],
      ["Snapshot", absolute(urls.snapshot), "JPEG"],
    ];
    body.replaceChildren(
      this.#facts,
      element("h3", {}, "URLs"),
      ...addresses.filter(([, address]) => address !== null).map(([name, address, what]) => copyable(name, address, what)),
      element("p", { class: "links" }, link(urls.snapshot, "photo", "Open a snapshot"), link("/openapi.json", "info", "API description")),
    );
    this.refresh();
  }

  close() {}

  controlChanged() {}

  refresh() {
    const { camera, player, video, initMessage } = this.#tile;
    const { stats, viewers } = camera;
    const quality = video.getVideoPlaybackQuality?.();
    const lag = this.#tile.isPlaying ? player.lag() : null;
    const picture = camera.video;
    const facts = [
      ["State", `${badge(camera.state)[0]}, since ${moment(camera.since)}`],
      ["Model", camera.model],
      ["Firmware", camera.firmware],
      ["Dialect", camera.dialect],
      ["Video", picture && [picture.codec, picture.width && `${picture.width} × ${picture.height}`].filter(Boolean).join(", ")],
      ["Frame rate", stats.frames_per_second],
      ["Audio", camera.sound && `${camera.sound.codec}, ${camera.sound.rate / 1_000} kHz`],
      ["Bit rate", stats.bytes_per_second && bytes(stats.bytes_per_second)],
      ["Latency", lag === null ? null : seconds(lag)],
      ["Buffered", lag === null ? null : seconds(Math.max(0, player.ahead))],
      ["Dropped frames", quality && initMessage ? quality.droppedVideoFrames : null],
      ["Round-trip time", stats.round_trip_ms && `${stats.round_trip_ms} ms`],
      ["Frames lost", stats.lost === 0 ? "none" : stats.lost],
      ["Dropped: this machine is too slow", stats.overload_drops ? `${stats.overload_drops} packets` : null],
      ["Recovered", stats.recovered || null],
      ["Sessions", stats.disconnects === 0 ? stats.sessions : `${stats.sessions}, ${stats.disconnects} lost`],
      ["Recording", { on: "on", failed: `failed: ${camera.recording_error}` }[camera.recording]],
      ["Viewers", viewers.length === 0 ? "none" : viewers.map(({ label }) => label).join(", ")],
    ];
    const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
    this.#facts.replaceChildren(...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  }
}

const link = (href, picture, text) => element("a", { href, target: "_blank", rel: "noopener" }, icon(picture), text);

function copyable(name, address, what) {
  const input = element("input", { readonly: true, value: address, "aria-label": `${name} URL`, onfocus: () => input.select() });
  const button = element("button", { type: "button", class: "tool", "aria-label": `Copy the ${name} URL`, title: "Copy", onclick: copy }, icon("copy"));
  async function copy() {
    input.select();
    try {
      // The clipboard API needs HTTPS. The command copies the selection.
      if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(address);
      else if (!document.execCommand("copy")) throw new Error();
      toast(`${name} URL copied`);
    } catch {
      toast("The URL is selected: copy it with the keyboard");
    }
  }
  return element("div", { class: "address" }, element("span", {}, element("strong", {}, name), element("small", {}, what)), input, button);
}
