// The microphone, as mono PCM of 16 bits at the rate that a camera takes.

// Why there is none here; `null` if there may be.
export function whyNoMicrophone() {
  if (navigator.mediaDevices?.getUserMedia !== undefined && globalThis.AudioWorkletNode !== undefined) return null;
  if (!isSecureContext) {
    return "Browsers give the microphone to pages over HTTPS or from this same computer only: open the page through a proxy that speaks HTTPS to talk";
  }
  return "This browser gives no microphone to pages";
}

const WORDS = {
  NotAllowedError: "The microphone was not allowed: allow it for this page in the browser's settings",
  NotFoundError: "There is no microphone",
  NotReadableError: "The microphone is used by another program",
};

// Calls `take(bytes)` with what is heard until `close()` of what is returned.
export async function openMicrophone(rate, take) {
  let stream;
  try {
    const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(WORDS[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
  let context;
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    if (context !== undefined && context.state !== "closed") context.close();
  };
  try {
    const [made, source] = connect(stream, rate);
    context = made;
    await context.audioWorklet.addModule("/microphone-worklet.js");
    const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit", processorOptions: { rate } };
    const node = new AudioWorkletNode(context, "microphone", options);
    node.port.onmessage = ({ data }) => take(data);
    quiet(context, source, rate).connect(node);
    await context.resume();
  } catch (error) {
    close();
    throw new Error(`The microphone cannot be used: ${error.message}`);
  }
  return { close };
}

// Browsers that do not change the rate of a microphone say so: then it is changed here.
function connect(stream, rate) {
  const context = new AudioContext({ sampleRate: rate });
  try {
    return [context, context.createMediaStreamSource(stream)];
  } catch {
    context.close();
    const own = new AudioContext();
    return [own, own.createMediaStreamSource(stream)];
  }
}

// Without what the lower rate has no place for.
function quiet(context, source, rate) {
  if (context.sampleRate <= rate) return source;
  let node = source;
  for (let pass = 0; pass < 2; pass += 1) {
    const filter = new BiquadFilterNode(context, { type: "lowpass", frequency: rate * 0.42, Q: 0.7 });
    node.connect(filter);
    node = filter;
  }
  return node;
}
