// What Vercel's AI SDK makes of this server; prints its answers as JSON.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, jsonSchema, stepCountIs, streamObject, streamText, tool } from "ai";

const [url, name, api] = process.argv.slice(2);
globalThis.AI_SDK_LOG_WARNINGS = false;

const compatible = (more) => createOpenAICompatible({ name: "local", baseURL: url, ...more })(name);
const responses = createOpenAI({ baseURL: url, apiKey: "none" })(name);
const model = api === "responses" ? responses : compatible();
// Without this the compatible one asks for any JSON object, and describes the schema in words.
const strict =
  api === "responses" ? responses : compatible({ supportsStructuredOutputs: true, includeUsage: true });
const how = { model, temperature: 0, maxOutputTokens: 60, maxRetries: 0 };
const hello = { ...how, prompt: "Say hello." };
const person = {
  ...how,
  model: strict,
  prompt: "Ann is 41 years old. Describe her as JSON.",
  schema: jsonSchema({
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name", "age"],
    additionalProperties: false,
  }),
};
const asked = [];
const weather = {
  ...how,
  prompt: "What is the weather in Paris?",
  tools: {
    get_weather: tool({
      description: "The weather in a city.",
      inputSchema: jsonSchema({
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
      }),
      execute: ({ city }) => (asked.push(city), "sunny"),
    }),
  },
  stopWhen: stepCountIs(2),
  // It must call the function first; later it may, and would for ever.
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber ? "auto" : "required" }),
};

const plain = await generateText(hello);
let pieces = "";
for await (const piece of streamText(hello).textStream) pieces += piece;
const object = await generateObject(person);
let streamed;
for await (const partial of streamObject(person).partialObjectStream) streamed = partial;
const called = await generateText(weather);
const calling = streamText({ ...weather, model: strict });
await calling.consumeStream();
// All of the first turn goes back: the question, the call, its result and the answer.
const second = await generateText({
  ...how,
  // Otherwise it refers to texts by their ids, because OpenAI stores them.
  providerOptions: { openai: { store: false } },
  tools: weather.tools,
  messages: [
    { role: "user", content: weather.prompt },
    ...called.response.messages,
    { role: "user", content: "Thanks. Say hello." },
  ],
});
console.log(
  JSON.stringify({
    chat: plain.text,
    stream: pieces,
    object: object.object,
    "streamed object": streamed,
    asked,
    steps: called.steps.map((step) => step.finishReason),
    "streamed steps": (await calling.steps).map((step) => step.finishReason),
    answers: [called.text, await calling.text],
    second: second.text,
    grown: second.usage.inputTokens - called.usage.totalTokens,
  }),
);
