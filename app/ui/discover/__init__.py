"""Finding models on the hub and getting them: a part of the page Models."""
