// All that is known of a camera: what it is, how it is, who watches, and where its streams are.

import { element, icon, toast } from "./dom.js";
import { badge, bytes, count, moment, seconds } from "./words.js";

export class Details {
  #tile;
  #facts = element("dl", { class: "facts" });

  constructor(tile, body) {
    this.#tile = tile;
    const { urls } = tile.camera;
    const absolute = (path) => new URL(path, location.href).href;
    const addresses = [
      ["RTSP", urls.rtsp, "for players and recorders"],
      ["MP4", absolute(urls.mp4), "fragmented, without an end"],
      ["MPEG-TS", absolute(urls.ts), ""],
      ["Picture", absolute(urls.snapshot), "the newest, as JPEG"],
    ];
    body.replaceChildren(
      this.#facts,
      element("h3", {}, "Addresses"),
      ...addresses.filter(([, address]) => address !== null).map(([name, address, what]) => copyable(name, address, what)),
      element("p", { class: "links" }, link(urls.snapshot, "photo", "Open the newest picture"), link("/openapi.json", "info", "How to use the API")),
    );
    this.refresh();
  }

  close() {}

  heard() {}

  refresh() {
    const { camera, player, video, told } = this.#tile;
    const { stats, viewers } = camera;
    const quality = video.getVideoPlaybackQuality?.();
    const lag = this.#tile.isPlaying ? player.lag() : null;
    const picture = camera.video;
    const facts = [
      ["State", `${badge(camera.state)[0]}, since ${moment(camera.since)}`],
      ["Model", camera.model],
      ["Firmware", camera.firmware],
      ["Speaks", camera.dialect],
      ["Picture", picture && [picture.codec, picture.width && `${picture.width} × ${picture.height}`].filter(Boolean).join(", ")],
      ["Pictures a second", stats.pictures_per_second],
      ["Sound", camera.sound && `${camera.sound.codec}, ${camera.sound.rate / 1_000} kHz`],
      ["Data", stats.bytes_per_second && bytes(stats.bytes_per_second)],
      ["Behind the camera", lag === null ? null : seconds(lag)],
      ["Kept in front", lag === null ? null : seconds(Math.max(0, player.ahead))],
      ["Not shown here", quality && told ? count(quality.droppedVideoFrames, "picture", "pictures") : null],
      ["Network", stats.round_trip_ms && `${stats.round_trip_ms} ms there and back`],
      ["Packets lost", stats.lost === 0 ? "none" : stats.lost],
      ["Made good", stats.recovered || null],
      ["Sessions", stats.falls === 0 ? stats.sessions : `${stats.sessions}, of which ${stats.falls} fell`],
      ["Viewers", viewers.length === 0 ? "none" : viewers.map(({ label }) => label).join(", ")],
    ];
    const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
    this.#facts.replaceChildren(...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
  }
}

const link = (href, picture, text) => element("a", { href, target: "_blank", rel: "noopener" }, icon(picture), text);

function copyable(name, address, what) {
  const input = element("input", { readonly: true, value: address, "aria-label": `${name} address`, onfocus: () => input.select() });
  const button = element("button", { type: "button", class: "tool", "aria-label": `Copy the ${name} address`, title: "Copy", onclick: copy }, icon("copy"));
  async function copy() {
    input.select();
    try {
      // Only pages over HTTPS have the clipboard; others may copy what is selected.
      if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(address);
      else if (!document.execCommand("copy")) throw new Error();
      toast(`The ${name} address is copied`);
    } catch {
      toast("It is selected: copy it with the keyboard");
    }
  }
  return element("div", { class: "address" }, element("span", {}, element("strong", {}, name), element("small", {}, what)), input, button);
}
