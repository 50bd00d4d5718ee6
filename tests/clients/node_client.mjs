// What the openai package for Node makes of this server; prints its answers as JSON.
import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: "none" });
const messages = [{ role: "user", content: "Say hello." }];
const how = { model, temperature: 0, max_tokens: 20 };

const plain = await client.chat.completions.create({ ...how, messages });
const runner = client.chat.completions.stream({ ...how, messages });
const streamed = await runner.finalContent();
const called = await client.chat.completions.create({
  ...how,
  messages,
  max_tokens: 60,
  tools: [{ type: "function", function: { name: "greet", parameters: { type: "object", properties: {} } } }],
  tool_choice: { type: "function", function: { name: "greet" } },
});
const completion = await client.completions.create({ ...how, prompt: "1 2 3 4" });
let pieces = "";
for await (const chunk of await client.completions.create({ ...how, prompt: "1 2 3 4", stream: true })) {
  pieces += chunk.choices[0].text;
}
const models = await client.models.list();
let refused = "";
try {
  await client.chat.completions.create({ ...how, messages: [] });
} catch (error) {
  refused = `${error.status} ${error.param}`;
}
console.log(
  JSON.stringify({
    chat: plain.choices[0].message.content,
    stream: streamed,
    call: called.choices[0].message.tool_calls[0].function,
    completion: completion.choices[0].text,
    pieces,
    model: models.data[0].id,
    refused,
  }),
);
