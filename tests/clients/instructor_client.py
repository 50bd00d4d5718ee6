"""What instructor makes of this server; prints its answers as JSON."""

import json
import sys

import instructor
import openai
from pydantic import BaseModel, Field, model_validator

url, name = sys.argv[1:]
messages = [{"role": "user", "content": "Ann is 41 years old."}]
how = {"model": name, "messages": messages, "temperature": 0, "max_tokens": 60}


class Described(BaseModel):
    name: str
    # A bound, which OpenAI itself refuses in a strict schema.
    age: int = Field(ge=0, le=150)


class Person(Described):
    @model_validator(mode="after")
    def doubt_once(self):
        """Refuses the first answer, so that it goes back with a complaint."""
        doubts.append(not doubts)
        if doubts[-1]:
            raise ValueError("say it again")
        return self


found = {}
for mode in instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA:
    doubts = []
    raw = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    chats = instructor.from_openai(raw, mode=mode).chat.completions
    person = chats.create(response_model=Person, max_retries=1, **how)
    *_, streamed = chats.create_partial(response_model=Described, **how)
    found[mode.name] = {
        "person": person.model_dump(),
        "doubts": doubts,
        "streamed": streamed.model_dump(),
    }
print(json.dumps(found))
