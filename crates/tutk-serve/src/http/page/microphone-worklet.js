// In the thread of the sound: takes samples to the camera's rate and to 16 bits, and hands them on 20 ms at a time.

class Microphone extends AudioWorkletProcessor {
  #step;
  // Where the next sample is, from the first of the block that comes; and the last one of the block before.
  #at = 0;
  #before = 0;
  #part;
  #held = 0;

  constructor({ processorOptions: { rate } }) {
    super();
    this.#step = sampleRate / rate;
    this.#part = new Int16Array(Math.round(rate / 50));
  }

  process([[block]]) {
    // Nothing is connected any more, or not yet.
    if (block === undefined) return true;
    while (this.#at < block.length) {
      const whole = Math.floor(this.#at);
      const left = whole === 0 ? this.#before : block[whole - 1];
      const value = left + (block[whole] - left) * (this.#at - whole);
      this.#push(this.#step === 1 ? block[whole] : value);
      this.#at += this.#step;
    }
    this.#at -= block.length;
    this.#before = block[block.length - 1];
    return true;
  }

  #push(value) {
    this.#part[this.#held] = Math.round(Math.max(-1, Math.min(1, value)) * 32_767);
    this.#held += 1;
    if (this.#held < this.#part.length) return;
    // Little-endian, as everything that has a browser is.
    const bytes = this.#part.slice().buffer;
    this.port.postMessage(bytes, [bytes]);
    this.#held = 0;
  }
}

registerProcessor("microphone", Microphone);
