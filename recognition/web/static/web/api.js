/** Calls to the REST API as the signed-in person. */

const ROOT = "/api/v1/";

/** An answer that is not a good one; `message` is the API's own, for people. */
export class ApiError extends Error {
  constructor(status, { code = "error", message, details = {} } = {}) {
    super(message || `The server answered with status ${status}.`);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/**
 * Call the API and give its JSON. A FormData body is sent as it is, anything else as JSON.
 * Throws ApiError; with status 0 where the server could not be reached.
 */
export async function api(path, { method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = cookie("csrftoken");
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(ROOT + path, { method, headers, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const message = "The server does not answer. Is it running?";
    throw new ApiError(0, { code: "unreachable", message });
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.error);
  return answer;
}

/** All rows of a list, in the order in which they were made: the API gives the newest first. */
export async function rows(path) {
  const { results } = await api(path + query({ page_size: 500 }));
  return results.reverse();
}

/** What may be put behind a path: `query({collection: id, empty: null})` is "?collection=id". */
export function query(values) {
  const present = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return present.length ? `?${new URLSearchParams(present)}` : "";
}

export function signIn() {
  const next = encodeURIComponent(location.pathname + location.search);
  location.assign(`${document.body.dataset.signIn}?next=${next}`);
}

function cookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
