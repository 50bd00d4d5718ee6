from flask.testing import FlaskClient


def test_health_tells_which_model_is_in_memory(client: FlaskClient) -> None:
    idle = {"status": "ok", "busy": False, "waiting": 0}
    assert client.get("/health").json == {**idle, "model": None}
    client.post("/v1/completions", json={"model": "tiny", "prompt": "a"})
    assert client.get("/health").json == {**idle, "model": "tiny"}
