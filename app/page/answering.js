// Asking the model for the next message of a chat. Answers go on while another chat is shown.

import * as api from "./api.js";
import { newId } from "./dom.js";
import * as store from "./store.js";
import { T } from "./texts.js";

const SAVE_EVERY = 1000; // milliseconds
const SHORTEST = 0.1; // seconds; what came all at once has no speed
const running = new Map(); // by chat: its answer's message, and how to stop it

// The message that is being written in a chat by this tab.
export const current = (chatId) => running.get(chatId)?.message;

export const stop = (chatId) => running.get(chatId)?.controller.abort();

// Writes the next message of a chat. `onChange(chatId, message)` is called as it grows, and at its end.
// `searched` says whether there are collections to quote.
export async function answer(chatId, searched, onChange) {
  const chat = store.get(chatId);
  const controller = new AbortController();
  const message = { id: newId(), role: "assistant", content: "", reasoning: "", model: chat.model, pending: true };
  running.set(chatId, { message, controller });
  const save = () =>
    store.update(chatId, ({ messages }) => {
      const index = messages.findIndex(({ id }) => id === message.id);
      messages.splice(index < 0 ? messages.length : index, 1, structuredClone(message));
    });
  await save();
  const saving = setInterval(save, SAVE_EVERY);
  try {
    await whenThereIsRoom(
      async () => {
        for await (const chunk of api.chat(requestOf(chat), controller.signal)) {
          take(chunk, message, searched);
          onChange(chatId, message);
        }
      },
      (seconds) => {
        message.note = seconds ? T.queued(seconds) : "";
        onChange(chatId, message);
      },
      controller.signal,
    );
  } catch (error) {
    message.error = readable(error);
  } finally {
    clearInterval(saving);
    running.delete(chatId);
    message.pending = false;
    await save();
    onChange(chatId, message);
  }
}

function requestOf({ model, system, settings, messages }) {
  const { more, stop: stops, enable_thinking: thinking, ...numbers } = settings;
  return {
    model,
    messages: [
      ...(system ? [{ role: "system", content: system }] : []),
      ...messages.filter(({ content }) => content).map(({ role, content }) => ({ role, content })),
    ],
    ...numbers,
    ...(stops ? { stop: stops.split("\n").filter(Boolean) } : {}),
    ...(thinking ? { enable_thinking: thinking === "on" } : {}),
    ...(more ? JSON.parse(more) : {}),
  };
}

// Tries again after as long as the server says if too many are waiting.
async function whenThereIsRoom(ask, onWait, signal) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error.code !== "queue_full") throw error;
      onWait(error.retryAfter);
      await new Promise((resolve, reject) => {
        signal.onabort = () => reject(signal.reason);
        setTimeout(resolve, 1000 * error.retryAfter);
      });
      onWait(0);
    }
  }
}

function take(chunk, message, searched) {
  message.model = chunk.model;
  const [choice] = chunk.choices;
  if (choice?.delta.content || choice?.delta.reasoning_content) {
    message.content += choice.delta.content ?? "";
    message.reasoning += choice.delta.reasoning_content ?? "";
    message.first ??= performance.now();
    message.last = performance.now();
  }
  for (const call of choice?.delta.tool_calls ?? []) {
    message.content += (call.function.name ? `\n${call.function.name} ` : "") + call.function.arguments;
  }
  if (choice?.finish_reason) {
    message.finish = choice.finish_reason;
    message.references = choice.references;
    message.searched = searched;
  }
  if (chunk.usage) {
    const { prompt_tokens: prompt, completion_tokens: tokens } = chunk.usage;
    // The first token came with the beginning.
    const seconds = (message.last - message.first) / 1000;
    message.usage = { prompt, tokens, perSecond: seconds > SHORTEST ? (tokens - 1) / seconds : null };
  }
}

function readable(error) {
  if (error.name === "AbortError") return T.stopped;
  if (error instanceof api.Unreachable) return T.lost;
  if (error.code === "context_length_exceeded") return `${T.contextFull} ${error.message}`;
  return T.failed(error.message);
}
