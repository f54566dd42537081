/** Shows running jobs on a page: elements `.fr-job`, and the log on the page of one job. */

import { api, messageOf } from "../web/api.js";
import { inside } from "../web/element.js";
import { ReconnectingSocket } from "../web/socket.js";

/** @import { Job, JobDetail, JobMessage, JobState } from "../web/types.js" */

// Polled for what the socket does not send: the log, and jobs of processes that cannot reach this page.
const ASK_EVERY_MS = 4000;
/** @type {Record<JobState, string>} */
const STATES = { queued: "Queued", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

/** @type {NodeListOf<HTMLElement>} */
const nodes = document.querySelectorAll(".fr-job");
const shown = [...nodes];

/** @param {HTMLElement} node */
function isOpen(node) {
  return node.dataset.state === "queued" || node.dataset.state === "running";
}

/**
 * A polled answer may be older than a message of the socket: within one attempt, progress only grows.
 * @param {Job} job
 * @param {HTMLElement} node
 */
function isOld(job, node) {
  const attempts = Number(node.dataset.attempts);
  if (job.attempts !== attempts) return job.attempts < attempts && job.state === "running";
  return job.state === "running" && job.progress < inside(node, "progress", HTMLProgressElement).value;
}

/** @param {Job} job */
function show(job) {
  for (const node of shown) {
    if (node.dataset.job !== job.id || !isOpen(node) || isOld(job, node)) continue;
    node.dataset.state = job.state;
      node.dataset.attempts = String(job.attempts);
    inside(node, ".fr-job-state", HTMLElement).textContent = STATES[job.state];
    inside(node, "progress", HTMLProgressElement).value = job.progress;
    inside(node, ".fr-job-message", HTMLElement).textContent = job.message;
    // Other parts of the page show the result, so load the page again.
    if (!isOpen(node) && "reload" in node.dataset) location.reload();
  }
}

/** @param {JobDetail} job */
function showLog(job) {
  const log = document.querySelector(`[data-job-log="${job.id}"]`);
  if (log) log.textContent = job.log;
}

async function ask() {
  for (const id of new Set(shown.filter(isOpen).map((node) => node.dataset.job))) {
    try {
      /** @type {JobDetail} */
      const job = await api(`jobs/${id}`);
      showLog(job);
      show(job);
    } catch (error) {
      console.warn("a job could not be read:", messageOf(error));
    }
  }
  if (shown.some(isOpen)) setTimeout(ask, ASK_EVERY_MS);
  else socket.close();
}

const socket = new ReconnectingSocket("/ws/jobs/", {
  message: (data) => {
    /** @type {JobMessage} */
    const message = JSON.parse(data);
    if (message.type === "job") show(message.job);
  },
});

if (shown.some(isOpen)) {
  socket.open();
  setTimeout(ask, ASK_EVERY_MS);
}
