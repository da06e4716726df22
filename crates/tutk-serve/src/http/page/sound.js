// Audio of one camera at a time. Browsers require a user action before audio plays.

const KEY = "tutk-volume";

class Sound {
  #tiles = new Set();
  #loud = null;
  #volume = Number(localStorage.getItem(KEY) ?? 1) || 1;

  add(tile) {
    this.#tiles.add(tile);
    tile.showSound(false, this.#volume);
  }

  delete(tile) {
    this.#tiles.delete(tile);
    if (this.#loud === tile) this.#loud = null;
  }

  isLoud(tile) {
    return this.#loud === tile;
  }

  toggle(tile) {
    this.#set(this.#loud === tile ? null : tile);
  }

  setVolume(tile, volume) {
    this.#volume = volume;
    if (volume > 0) localStorage.setItem(KEY, String(volume));
    this.#set(volume > 0 ? tile : null);
  }

  #set(loud) {
    this.#loud = loud;
    for (const tile of this.#tiles) {
      const isLoud = tile === loud;
      tile.video.muted = !isLoud;
      tile.video.volume = this.#volume || 1;
      tile.showSound(isLoud, this.#volume);
    }
  }
}

export const SOUND = new Sound();
