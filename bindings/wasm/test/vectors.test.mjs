// The vectors that all bindings share (bindings/vectors/README.md).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as tutk from "../pkg/tutk_wasm.js";

const read = (path) => readFileSync(new URL(path, import.meta.url));
const lines = (name) =>
  read(`../../vectors/${name}`).toString().trimEnd().split("\n").map(JSON.parse);
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

tutk.initSync({ module: read("../pkg/tutk_wasm_bg.wasm") });

// Compares the result with the expected value, or the message of the exception with the error.
function check(act, value, error) {
  if (error === undefined) assert.deepEqual(act(), value);
  else assert.throws(act, (thrown) => thrown.message === error);
}

test("addresses", () => {
  for (const { url, camera, error } of lines("urls.jsonl"))
    check(() => tutk.parseUrl(url), camera, error);
});

test("controls", () => assert.deepEqual(tutk.controls(), lines("controls.jsonl")));

test("requests and answers", () => {
  for (const line of lines("requests.jsonl")) {
    const { control, values, model, unix_millis: millis } = line;
    check(
      () => tutk.request(control, values, model ?? undefined, millis ?? undefined),
      line.request,
      line.error,
    );
    if (line.answer !== undefined)
      check(
        () => tutk.describeAnswer(control, values, bytes(line.answer)),
        line.described,
        line.answer_error,
      );
  }
});

test("datagrams", () => {
  for (const { source, destination, datagram, packet } of lines("datagrams.jsonl"))
    assert.deepEqual(
      tutk.dissectDatagram(source, destination, bytes(datagram)) ?? null,
      packet,
    );
});

test("a capture with its keys", () => {
  const dissection = new tutk.Dissection(read("../../../captures/simulated.pcapng"));
  for (const line of lines("simulated.jsonl")) assert.deepEqual(dissection.next(), line);
  assert.equal(dissection.next(), undefined);
});

test("a file that is no capture", () => {
  assert.throws(() => new tutk.Dissection(new Uint8Array(100)), Error);
});
