/** Calls of the REST API as the signed-in user. */

/** @import { ErrorBody, Page } from "./types.js" */

const ROOT = "/api/v1/";

/** An error answer. `message` is the API's message for people. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 if the server could not be reached.
   * @param {ErrorBody} [error]
   */
  constructor(status, { code = "error", message, details = {} } = {}) {
    super(message || `The server answered with status ${status}.`);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/**
 * Call the API and return its JSON. A FormData or Blob is sent as it is, anything else as JSON.
 * Throws ApiError, or the AbortError of `signal`.
 *
 * @param {string} path
 * @param {{method?: string, body?: FormData | Blob | object, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} One of the answers in types.d.ts, which the caller names.
 */
export async function api(path, { method = "GET", body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = cookie("csrftoken");
  const isRaw = body instanceof FormData || body instanceof Blob;
  if (body !== undefined && !isRaw) headers["Content-Type"] = "application/json";
  const sent = isRaw ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(ROOT + path, { method, headers, body: sent, signal, credentials: "same-origin" });
  } catch (error) {
    if (isAbort(error)) throw error;
    const message = "The server does not answer. Is it running?";
    throw new ApiError(0, { code: "unreachable", message });
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.error);
  return answer;
}

/** Was a call broken off by its `signal`? @param {unknown} error */
export function isAbort(error) {
  return error instanceof Error && error.name === "AbortError";
}

/** Is the person signed out? @param {unknown} error */
export function isSignedOut(error) {
  return error instanceof ApiError && error.status === 401;
}

/** What to tell people of an error. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * All rows of a list, oldest first. (The API returns the newest first.)
 *
 * @param {string} path
 * @returns {Promise<any[]>}
 */
export async function rows(path) {
  /** @type {Page<any>} */
  const { results } = await api(path + query({ page_size: 500 }));
  return results.reverse();
}

/**
 * The query to put after a path: `query({collection: id, empty: null})` is "?collection=id".
 *
 * @param {Record<string, string | number | null | undefined>} values
 */
export function query(values) {
  const present = Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [name, String(value)]);
  return present.length ? `?${new URLSearchParams(present)}` : "";
}

export function signIn() {
  const next = encodeURIComponent(location.pathname + location.search);
  location.assign(`${document.body.dataset.signIn}?next=${next}`);
}

/** @param {string} name */
function cookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
