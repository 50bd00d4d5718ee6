from flask.testing import FlaskClient


def test_health_tells_which_model_is_in_memory(own_client: FlaskClient) -> None:
    idle = {"status": "ok", "busy": False, "waiting": 0}
    assert own_client.get("/health").json == {**idle, "model": None}
    own_client.post("/v1/completions", json={"model": "tiny", "prompt": "a"})
    assert own_client.get("/health").json == {**idle, "model": "tiny"}
