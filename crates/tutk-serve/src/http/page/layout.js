// Where tiles are: all in a grid that fits the window, or one large with the others in a strip.

// Below this width of a tile the page scrolls instead, in pixels.
const LEAST = 260;
const RATIO = 16 / 9;

export class Layout {
  #stage;
  #list;
  #tiles;
  #large = null;
  #watcher;

  // `tiles` is a map of names to tiles, which others change: `arrange` is called after.
  constructor(stage, list, tiles) {
    this.#stage = stage;
    this.#list = list;
    this.#tiles = tiles;
    new ResizeObserver(() => this.arrange()).observe(stage);
    this.#watcher = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.#see(target, isIntersecting);
      },
      // What is nearly there is begun already.
      { rootMargin: "100px" },
    );
    addEventListener("popstate", () => this.#fromAddress());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  get large() {
    return this.#large;
  }

  add(tile) {
    // In the order of their names, wherever it comes.
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

  // One large, or none; it has an address of its own, so that going back and reloading do what they should.
  enlarge(tile) {
    if (tile === this.#large) return;
    const before = this.#large;
    const url = tile === null ? location.pathname : `#${encodeURIComponent(tile.name)}`;
    if (before === null) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    this.#apply(tile);
    (tile ?? before).open.focus({ preventScroll: true });
  }

  // The camera before or behind the large one.
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
      // Side by side looks better than one above the other, if it is about as large.
      if (tile > best.tile * 0.94) best = { columns, tile };
    }
    const fits = best.tile >= Math.min(LEAST, width - 2 * gap);
    const columns = fits ? best.columns : Math.max(1, Math.floor((width - gap) / (LEAST + gap)));
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
      // Telephones have it for the picture alone.
      else video?.webkitEnterFullscreen?.();
    } catch {
      // It was refused, or the person thought better of it.
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
      const label = each === tile ? `Show all cameras beside ${each.name}` : `Show ${each.name} large`;
      each.open.setAttribute("aria-label", label);
    }
    this.arrange();
  }

  #see(root, visible) {
    root.dataset.seen = String(visible);
    this.#tiles.get(root.dataset.camera)?.seen(visible && !document.hidden);
  }

  // Nobody watches a page that is not shown.
  #visibility() {
    for (const [, tile] of this.#tiles) {
      const seen = !document.hidden && tile.root.dataset.seen === "true";
      tile.seen(seen);
      if (seen) tile.hurry();
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
