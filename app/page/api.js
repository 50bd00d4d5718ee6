// What the page asks the server for, all of it under /page/.

const KEY = "gpt4all-key";

// An answer that is an error. `code` and `retryAfter` (seconds) are those of the API.
export class ApiError extends Error {
  constructor(error, status, retryAfter) {
    super(error.message);
    Object.assign(this, { status, retryAfter, code: error.code });
  }
}

// The server did not answer, or not to the end.
export class Unreachable extends Error {}

let askForKey = async () => "";
let wanted = null; // the key that is being asked for

// `ask(wrong)` asks the user for the key; `wrong` says that the last one was not accepted.
export const onKeyNeeded = (ask) => (askForKey = ask);

async function request(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { "X-GPT4All-Page": "1" };
  if (key) headers.Authorization = `Bearer ${new TextEncoder().encode(key).reduce((s, b) => s + String.fromCharCode(b), "")}`;
  if (options.body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  if (response.status === 401) {
    if (key === sessionStorage.getItem(KEY)) {
      wanted ??= askForKey(key !== null).finally(() => (wanted = null));
      sessionStorage.setItem(KEY, await wanted);
    }
    return request(path, options);
  }
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({ error: { message: response.statusText } }));
    throw new ApiError(error, response.status, Number(response.headers.get("Retry-After")));
  }
  return response;
}

const json = async (path, options) => {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch {
    throw new Unreachable();
  }
};
const post = (path, body, signal) => [path, { method: "POST", body: JSON.stringify(body), signal }];

export const models = async () => (await json("/page/models")).models;
export const collections = async () => (await json("/page/collections")).collections;
export const switchCollection = async (name, active) =>
  (await json(...post("/page/collections", { name, active }))).collections;
export const search = async (question) => (await json(`/page/search?${new URLSearchParams({ question })}`)).found;
export const serverChat = (after) => json(`/page/server-chat?after=${after}`);

export async function isUp() {
  try {
    return (await fetch("/health")).ok;
  } catch {
    return false;
  }
}

// The chunks of a streamed answer.
export async function* chat(body, signal) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request(...post("/page/chat", asked, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Unreachable();
    });
    if (done) throw new Unreachable();
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.slice(event.indexOf("data: ") + "data: ".length);
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(chunk.error, 200);
      yield chunk;
    }
  }
}
