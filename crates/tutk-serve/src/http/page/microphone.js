// The microphone as mono 16-bit PCM at the camera's sample rate.

// Returns why the microphone is not available, or `null`.
export function whyNoMicrophone() {
  if (navigator.mediaDevices?.getUserMedia !== undefined && globalThis.AudioWorkletNode !== undefined) return null;
  if (!isSecureContext) {
    return "Browsers allow the microphone only over HTTPS or on this computer: open the page through an HTTPS proxy to talk";
  }
  return "This browser gives no microphone access to pages";
}

const ERRORS = {
  NotAllowedError: "Microphone access was denied: allow it for this page in the browser's settings",
  NotFoundError: "No microphone was found",
  NotReadableError: "The microphone is used by another program",
};

// Calls `take(bytes)` with recorded audio until `close()` of the returned object is called.
export async function openMicrophone(rate, take) {
  let stream;
  try {
    const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(ERRORS[error.name] ?? `The microphone cannot be used: ${error.message}`);
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
    lowpass(context, source, rate).connect(node);
    await context.resume();
  } catch (error) {
    close();
    throw new Error(`The microphone cannot be used: ${error.message}`);
  }
  return { close };
}

// Some browsers cannot resample a microphone. Then the worklet does it.
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

// Removes frequencies above the lower sample rate's limit.
function lowpass(context, source, rate) {
  if (context.sampleRate <= rate) return source;
  let node = source;
  for (let pass = 0; pass < 2; pass += 1) {
    const filter = new BiquadFilterNode(context, { type: "lowpass", frequency: rate * 0.42, Q: 0.7 });
    node.connect(filter);
    node = filter;
  }
  return node;
}
