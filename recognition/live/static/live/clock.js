/** A worker that only waits: unlike a page's own timers, its timers are not slowed in a hidden tab. */

addEventListener("message", ({ data: ms }) => setTimeout(() => postMessage(null), ms));
