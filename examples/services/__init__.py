"""Two services, one trace: whom a question is for travels to the service that asks a model."""
