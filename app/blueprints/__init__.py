"""One module per resource. It parses the request, asks the service, and shapes the reply."""
