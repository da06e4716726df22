// The layout of tiles: a grid that fits the window, or one large tile and a strip of small ones.

// The minimum width of a tile in pixels. The page scrolls if tiles would be smaller.
const MIN_WIDTH = 260;
const RATIO = 16 / 9;

export class Layout {
  #stage;
  #list;
  #tiles;
  #large = null;
  #watcher;

  // `tiles` maps names to tiles. Call `arrange` after changing it.
  constructor(stage, list, tiles) {
    this.#stage = stage;
    this.#list = list;
    this.#tiles = tiles;
    new ResizeObserver(() => this.arrange()).observe(stage);
    this.#watcher = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.#see(target, isIntersecting);
      },
      // Tiles just outside the window start to load.
      { rootMargin: "100px" },
    );
    addEventListener("popstate", () => this.#fromAddress());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  get large() {
    return this.#large;
  }

  add(tile) {
    // Tiles are sorted by name.
    const names = [...this.#tiles.keys()].sort((a, b) => a.localeCompare(b));
    const next = this.#tiles.get(names[names.indexOf(tile.name) + 1]);
    this.#list.insertBefore(tile.root, next?.root ?? null);
    this.#watcher.observe(tile.root);
    this.#fromAddress();
  }

  remove(tile) {
    this.#watcher.unobserve(tile.root);
    if (this.#large === tile) this.enlarge(null);
    this.arrange();
  }

  // Enlarges a tile, or none. The URL reflects it, so that Back and Reload work.
  enlarge(tile) {
    if (tile === this.#large) return;
    const before = this.#large;
    const url = tile === null ? location.pathname : `#${encodeURIComponent(tile.name)}`;
    if (before === null) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    this.#apply(tile);
    (tile ?? before).open.focus({ preventScroll: true });
  }

  // Enlarges the previous or next camera.
  step(by) {
    const tiles = [...this.#list.children].map((root) => this.#tiles.get(root.dataset.camera));
    const at = tiles.indexOf(this.#large);
    if (at >= 0) this.enlarge(tiles[(at + by + tiles.length) % tiles.length]);
  }

  arrange() {
    const { clientWidth: width, clientHeight: height } = this.#stage;
    const number = this.#tiles.size;
    const gap = 8;
    let best = { columns: 1, tile: 0 };
    for (let columns = 1; columns <= number; columns += 1) {
      const rows = Math.ceil(number / columns);
      const wide = (width - gap * (columns + 1)) / columns;
      const high = (height - gap * (rows + 1)) / rows;
      const tile = Math.min(wide, high * RATIO);
      // More columns are preferred if tiles are about as large.
      if (tile > best.tile * 0.94) best = { columns, tile };
    }
    const fits = best.tile >= Math.min(MIN_WIDTH, width - 2 * gap);
    const columns = fits ? best.columns : Math.max(1, Math.floor((width - gap) / (MIN_WIDTH + gap)));
    const tile = fits ? best.tile : (width - gap * (columns + 1)) / columns;
    this.#stage.style.setProperty("--columns", columns);
    this.#stage.style.setProperty("--tile", `${Math.floor(tile)}px`);
    this.#stage.classList.toggle("scrolls", !fits);
  }

  async fullscreen(what, video) {
    if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) return document.exitFullscreen();
    try {
      if (what.requestFullscreen !== undefined) await what.requestFullscreen();
      else if (what.webkitRequestFullscreen !== undefined) what.webkitRequestFullscreen();
      // Phones support full screen for the video only.
      else video?.webkitEnterFullscreen?.();
    } catch {
      // The browser or the user refused.
    }
  }

  #fromAddress() {
    const name = decode(location.hash.slice(1));
    this.#apply(this.#tiles.get(name) ?? null);
  }

  #apply(tile) {
    this.#large?.root.classList.remove("large");
    this.#large = tile;
    tile?.root.classList.add("large");
    document.body.classList.toggle("one", tile !== null);
    document.body.classList.toggle("only", this.#tiles.size < 2);
    document.title = tile === null ? "Cameras" : `${tile.name} – Cameras`;
    for (const [, each] of this.#tiles) {
      const label = each === tile ? `Show all cameras` : `Enlarge ${each.name}`;
      each.open.setAttribute("aria-label", label);
    }
    this.arrange();
  }

  #see(root, visible) {
    root.dataset.seen = String(visible);
    this.#tiles.get(root.dataset.camera)?.seen(visible && !document.hidden);
  }

  // A hidden page does not stream.
  #visibility() {
    for (const [, tile] of this.#tiles) {
      const seen = !document.hidden && tile.root.dataset.seen === "true";
      tile.seen(seen);
      if (seen) tile.retryNow();
    }
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
