// Requests to our own server.

/** The server refused: `status` and its one line. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} body */
  constructor(status, body) {
    super(typeof body.error === "string" ? body.error : `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** No answer came, or one that says that the server is not well. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 20_000;

const meta = () => /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'));

/**
 * @param {string} path
 * @param {{method?: string, body?: any, form?: FormData, timeoutMs?: number}} [options]
 * @returns {Promise<any>}
 */
export async function request(path, options = {}) {
  try {
    return await once(path, options);
  } catch (error) {
    const mayBeStale = error instanceof Refused && error.status === 403 && options.method === "POST";
    if (!mayBeStale || !(await freshToken())) throw error;
    return once(path, options);
  }
}

/** @param {string} path */
export const get = (path) => request(path);

/** @param {string} path @param {any} [body] */
export const post = (path, body = {}) => request(path, { method: "POST", body });

/** @param {string} path @param {{method?: string, body?: any, form?: FormData, timeoutMs?: number}} options */
async function once(path, { method = "GET", body, form, timeoutMs = TIMEOUT_MS }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = meta()?.content ?? "";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await reached(path, {
    method,
    headers,
    body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
    signal: AbortSignal.timeout(timeoutMs),
    credentials: "same-origin",
    redirect: "error",
  });
  const answer = await response.json().catch(() => ({}));
  if (response.status >= 502) throw new Unreachable(`the server answered ${response.status}`);
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

/** @param {string} path @param {RequestInit} options */
async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

/** A server that was started anew gives this page a new token. */
async function freshToken() {
  try {
    const response = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const token = page.querySelector('meta[name="csrf-token"]')?.getAttribute("content");
    const known = meta();
    if (!response.ok || !token || !known || known.content === token) return false;
    known.content = token;
    return true;
  } catch {
    return false;
  }
}

/** @param {string} slide */
export const slidePath = (slide) => `/api/slides/${encodeURIComponent(slide)}`;

/** @param {string} slide @param {string} [cell] */
export const galleryPage = (slide, cell) =>
  `/slides/${encodeURIComponent(slide)}${cell ? `?cell=${encodeURIComponent(cell)}` : ""}`;

/** @param {string} slide @param {string} [cell] */
export const viewerPage = (slide, cell) =>
  `/slides/${encodeURIComponent(slide)}/view${cell ? `?cell=${encodeURIComponent(cell)}` : ""}`;

/** @param {string} slide */
export const differencesPage = (slide) => `/slides/${encodeURIComponent(slide)}/differences`;
