"""The docs page: the OpenAPI document in two languages, with examples, diagrams and glossary; no internet is needed."""
