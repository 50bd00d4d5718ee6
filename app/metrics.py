"""What /metrics tells Prometheus. Labels have few values: routes and statuses."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .exchange import Exchange
from .service import Service

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """Counts requests, and shows the state of a service."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_State(service))
        self._requests = self._counter("requests", "Requests.", "route", "status")
        self._tokens = self._counter("tokens", "Tokens: prompt, cached (of it), answer.", "kind")
        self._waited = self._histogram("queue_seconds", "Until a request had the model.", _SECONDS)
        self._first = self._histogram("first_text_seconds", "Until the first text.", _SECONDS)
        self._rate = self._histogram("tokens_per_second", "Of an answer.", _RATES)

    def count(self, exchange: Exchange) -> None:
        """Counts a request that has ended."""
        self._requests.labels(exchange.route, str(exchange.status)).inc()
        self._tokens.labels("prompt").inc(exchange.prompt_tokens)
        self._tokens.labels("cached").inc(exchange.cached_tokens)
        self._tokens.labels("answer").inc(exchange.completion_tokens)
        for histogram, value in (
            (self._waited, exchange.waited),
            (self._first, exchange.first_piece),
            (self._rate, exchange.tokens_per_second),
        ):
            if value is not None:
                histogram.observe(value)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"gpt4all_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"gpt4all_{name}", text, buckets=buckets, registry=self._registry)


class _State(Collector):
    """What is not counted here, but known elsewhere."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """Nothing: only looking tells."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The state now."""
        worker = self._service.worker
        yield _gauge("busy", "Whether a request has the model.", worker.turns.taken)
        yield _gauge("waiting", "Requests that wait.", worker.waiting)
        yield _counted("model_loads", "Models loaded.", worker.loads)
        yield _counted("model_crashes", "Crashes of the model process.", worker.crashes)
        upstream_requests = self._service.upstreams.requests
        yield _gauge("upstream_requests", "Requests at upstreams.", upstream_requests)
        files, failed, snippets = self._service.collections.totals()
        yield _gauge("localdocs_files", "Files in the collections.", files)
        yield _gauge("localdocs_failed_files", "Files that cannot be read.", failed)
        yield _gauge("localdocs_snippets", "Snippets in the collections.", snippets)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gpt4all_{name}", text, value)


def _counted(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"gpt4all_{name}", text, value)
