// The page in Chromium, driven by chromedriver (WebDriver, https://www.w3.org/TR/webdriver2/).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const CAPTURE = fileURLToPath(new URL("../../../captures/simulated.pcapng", import.meta.url));
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".wasm": "application/wasm" };
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  // Nothing leaves this machine.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

const requested = [];
let server, driver, session;

before(async () => {
  server = createServer(async ({ url }, response) => {
    requested.push(url);
    try {
      const content = await readFile(new URL(`.${url}`, ROOT));
      response.setHeader("content-type", TYPES[extname(url)] ?? "application/octet-stream");
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

  driver = spawn("chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
  let port;
  for await (const line of createInterface({ input: driver.stdout })) {
    port = line.match(/started successfully on port (\d+)/)?.[1];
    if (port) break;
  }
  driver.stdout.resume();
  session = `http://127.0.0.1:${port}/session`;
  const capabilities = { alwaysMatch: { "goog:chromeOptions": { args: FLAGS } } };
  const { sessionId } = await command("POST", "", { capabilities });
  session += `/${sessionId}`;
  await command("POST", "/url", { url: `http://127.0.0.1:${server.address().port}/page/index.html` });
});

after(async () => {
  if (session) await command("DELETE", "").catch(() => {});
  driver?.kill();
  server?.close();
});

async function command(method, path, body) {
  const request = { method, body: body && JSON.stringify(body) };
  const { value } = await (await fetch(session + path, request)).json();
  if (value?.error) throw new Error(`${path}: ${value.message}`);
  return value;
}

const evaluate = (script) => command("POST", "/execute/sync", { script: `return ${script}`, args: [] });

async function find(selector) {
  const found = await command("POST", "/element", { using: "css selector", value: selector });
  return `/element/${found[ELEMENT]}`;
}

const type = async (selector, text) => command("POST", `${await find(selector)}/value`, { text });
const click = async (selector) => command("POST", `${await find(selector)}/click`, {});

/** Waits until the status matches. */
async function status(pattern) {
  let text;
  for (let attempt = 0; attempt < 200; attempt++) {
    text = await evaluate(`document.getElementById("status").textContent`);
    if (pattern.test(text)) return text;
    await sleep(50);
  }
  assert.fail(`the status is not ${pattern}: ${text}`);
}

const rows = () => evaluate(`document.querySelectorAll("#packets tr").length`);

test("shows the packets of a capture, and sends nothing", async () => {
  await type("#file", CAPTURE);
  await click("button");
  const text = await status(/packets/);
  assert.match(text, /^(\d+) packets; session 1: transcode, 97 records decrypted, 0 not$/);
  const all = await rows();
  assert.equal(all, Number(text.split(" ")[0]));

  await type("#filter", "K10001");
  const filtered = await rows();
  assert.ok(filtered > 0 && filtered < all, `${filtered} of ${all}`);

  await click("#packets tr");
  const details = await evaluate(`document.getElementById("details").textContent`);
  assert.match(details, /session id/);

  const files = ["/page/", "/pkg/", "/favicon.ico"];
  assert.ok(requested.every((url) => files.some((file) => url.startsWith(file))), `${requested}`);
});

test("names the error of a file that is no capture", async () => {
  await type("#file", fileURLToPath(import.meta.url));
  await click("button");
  await status(/^error: /);
  assert.equal(await rows(), 0);
});
