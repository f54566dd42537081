/** Jobs of a page, shown as they run: `.fr-job` elements, and the log of the one on its own page. */

import { api } from "../web/api.js";
import { ReconnectingSocket } from "../web/socket.js";

// For what the socket does not bring: the log, and jobs of a process that has no way to this page.
const ASK_EVERY_MS = 4000;
const STATES = { queued: "Queued", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

const shown = [...document.querySelectorAll(".fr-job")];

function isOpen(node) {
  return node.dataset.state === "queued" || node.dataset.state === "running";
}

/** What was asked for may be older than what the socket told: within an attempt, progress grows. */
function isOld(job, node) {
  const attempts = Number(node.dataset.attempts);
  if (job.attempts !== attempts) return job.attempts < attempts && job.state === "running";
  return job.state === "running" && job.progress < node.querySelector("progress").value;
}

function show(job) {
  for (const node of shown) {
    if (node.dataset.job !== job.id || !isOpen(node) || isOld(job, node)) continue;
    node.dataset.state = job.state;
    node.dataset.attempts = job.attempts;
    node.querySelector(".fr-job-state").textContent = STATES[job.state];
    node.querySelector("progress").value = job.progress;
    node.querySelector(".fr-job-message").textContent = job.message;
    // What came of it stands elsewhere on the page.
    if (!isOpen(node) && "reload" in node.dataset) location.reload();
  }
}

function showLog(job) {
  const log = document.querySelector(`[data-job-log="${job.id}"]`);
  if (log) log.textContent = job.log;
}

async function ask() {
  for (const id of new Set(shown.filter(isOpen).map((node) => node.dataset.job))) {
    try {
      const job = await api(`jobs/${id}`);
      showLog(job);
      show(job);
    } catch (error) {
      console.warn("a job could not be read:", error.message);
    }
  }
  if (shown.some(isOpen)) setTimeout(ask, ASK_EVERY_MS);
  else socket.close();
}

const socket = new ReconnectingSocket("/ws/jobs/", {
  message: (data) => {
    const message = JSON.parse(data);
    if (message.type === "job") show(message.job);
  },
});

if (shown.some(isOpen)) {
  socket.open();
  setTimeout(ask, ASK_EVERY_MS);
}
