// What the helpers of a release of the openai package for Node make of this server, and of their own
// messages sent back; prints its answers as JSON.
//
// The helpers' messages have more in them than OpenAI's API knows (`parsed`, `parsed_arguments`), and
// go back as they are: that is how everybody appends them.
const [url, model, release] = process.argv.slice(2);
const { default: OpenAI } = await import(release);
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
// Until 5 the helpers were in `beta`.
const chats = client.chat.completions.parse ? client.chat.completions : client.beta.chat.completions;

const how = { model, temperature: 0, max_tokens: 60 };
const question = { role: "user", content: "Ann is 41 years old. Describe her as JSON." };
const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
const typed = {
  messages: [question],
  response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema: person } },
};
const calling = {
  messages: [{ role: "user", content: "How old is Ann?" }],
  tools: [
    {
      type: "function",
      function: {
        name: "get_age",
        strict: true,
        parameters: {
          type: "object",
          properties: { name: { type: "string" } },
          required: ["name"],
          additionalProperties: false,
        },
      },
    },
  ],
  tool_choice: { type: "function", function: { name: "get_age" } },
};

// The answer to a second turn, after the first one's message as it is.
async function sentBack(first, { messages, tools }) {
  const { message } = first.choices[0];
  const calls = message.tool_calls ?? [];
  const next = calls.length
    ? calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "41" }))
    : [{ role: "user", content: "And now say hello." }];
  const second = await client.chat.completions.create({
    ...how,
    messages: [...messages, message, ...next],
    ...(calls.length && { tools }),
  });
  return {
    content: message.content,
    calls: calls.map((call) => JSON.parse(call.function.arguments)),
    grown: second.usage.prompt_tokens - first.usage.total_tokens,
    text: second.choices[0].message.content,
  };
}

const parsed = await sentBack(await chats.parse({ ...how, ...typed }), typed);
const usage = { stream_options: { include_usage: true } };
const final = await chats.stream({ ...how, ...typed, ...usage }).finalChatCompletion();
const streamed = await sentBack(final, typed);
const called = await sentBack(await chats.parse({ ...how, ...calling }), calling);
// It would call the function for ever, as the model must.
const asked = [];
const get_age = { parse: JSON.parse, function: ({ name }) => (asked.push(name), "41") };
const runner = chats.runTools(
  {
    ...how,
    stream: true,
    messages: calling.messages,
    tools: [{ type: "function", function: { ...calling.tools[0].function, ...get_age } }],
    tool_choice: "required",
  },
  { maxChatCompletions: 2 },
);
await runner.done();

console.log(
  JSON.stringify({
    parse: parsed,
    stream: streamed,
    call: called,
    run: { asked, roles: runner.messages.map(({ role }) => role) },
  }),
);
