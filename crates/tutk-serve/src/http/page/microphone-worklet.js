// Resamples audio to the camera's sample rate and 16 bits, and posts it in blocks of 20 ms.

class Microphone extends AudioWorkletProcessor {
  #step;
  // The position of the next sample in the current block, and the last sample of the previous block.
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
    // No input is connected.
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
    // All platforms with browsers are little-endian.
    const bytes = this.#part.slice().buffer;
    this.port.postMessage(bytes, [bytes]);
    this.#held = 0;
  }
}

registerProcessor("microphone", Microphone);
