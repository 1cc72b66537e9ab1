// What pages ask the studio, and their own addresses.

/** An answer that is no answer; `hint` says what to do. */
export class Refused extends Error {
  constructor(/** @type {string} */ reason, hint = '', status = 0) {
    super(reason);
    this.hint = hint;
    this.status = status;
  }
}

async function asked(/** @type {string} */ path, /** @type {RequestInit} */ how = {}) {
  let answer;
  try {
    answer = await fetch(`/api/${path}`, how);
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Refused('The studio does not answer.', 'Start it again: hubel studio');
  }
  if (!answer.ok) {
    const said = await answer.json().then((found) => found.error, () => null);
    throw new Refused(said?.reason ?? `status ${answer.status}`, said?.hint ?? '', answer.status);
  }
  return answer;
}

const query = (/** @type {Record<string, any>} */ parameters) => {
  const kept = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : '';
};

/** GET /api/PAGE/NAME?…: plain data. @returns {Promise<any>} */
export const get = async (/** @type {string} */ path, parameters = {}, how = {}) => (await asked(path + query(parameters), how)).json();

/** The same, the answer itself: for bytes. */
export const raw = (/** @type {string} */ path, parameters = {}, how = {}) => asked(path + query(parameters), how);

/** POST an object, or a Blob with a picture. @returns {Promise<any>} */
export async function post(/** @type {string} */ path, /** @type {any} */ body = {}, parameters = {}, how = {}) {
  const blob = body instanceof Blob, kind = blob ? (body.type.startsWith('image/') ? body.type : 'application/octet-stream') : 'application/json';
  const answer = await asked(path + query(parameters), {
    ...how, method: 'POST', headers: { 'Content-Type': kind, 'X-Hubel': '1' }, body: blob ? body : JSON.stringify(body),
  });
  return answer.json();
}

/** The address of a picture or another file of the studio, for `src` and `href`. */
export const at = (/** @type {string} */ path, parameters = {}) => `/api/${path}${query(parameters)}`;

/** The address of a page: "#/runs?run=digits-1". */
export const to = (/** @type {string} */ page, parameters = {}) => `#/${page}${query(parameters)}`;

/** Write what a page shows into its address, without another step in the history. */
export function keep(/** @type {string} */ page, parameters = {}) {
  history.replaceState(null, '', to(page, parameters));
}
