/** Is the engine ready? It warms up for a while after each start of the server. */

const ASK_AGAIN_MS = 2000;

/** @import { Readiness } from "../web/types.js" */

/** @type {Record<string, string>} */
export const ENGINE_WORDS = {
  warming_up: "The engine is warming up. That takes up to a minute after a start; it goes on by itself.",
  off: "The engine is being started. It goes on by itself.",
  failed: "The engine could not be started. The server's log says why.",
};

/** The engine's state ("ok", "warming_up", "off", "failed"), or null if the server does not say. */
export async function engineState() {
  try {
    const response = await fetch("/health/ready", { headers: { Accept: "application/json" } });
    /** @type {Readiness} */
    const readiness = await response.json();
    return readiness.parts?.engine ?? null;
  } catch {
    return null;
  }
}

/** Ask until it is ready; tells each change, "ok" last. @param {(state: string) => void} tell */
export async function untilEngineReady(tell) {
  let told;
  for (;;) {
    const state = await engineState();
    if (state && state !== told) tell((told = state));
    if (state === "ok") return;
    await new Promise((done) => setTimeout(done, ASK_AGAIN_MS));
  }
}
