"""The pages of the documentation, with assets of our own: they work without internet."""

import json
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal

import fastapi_offline
from fastapi import FastAPI, Query, Request, Response
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.docs.document import HERE, Document, in_indonesian, make_document
from app.docs.translation import Catalogue, read_catalogue
from app.kit.refusals import MEDIA_TYPE, refusals_by_code

Language = Annotated[Literal["id", "en"], Query(alias="lang")]
"""Indonesian, unless English is asked for."""

OAUTH_REDIRECT = "/docs/oauth2-redirect"
_ASSETS = Path(fastapi_offline.__file__).parent / "static"
_NAMES = {"id": "Bahasa Indonesia", "en": "English"}
_PAGE = Template((HERE / "pages.html").read_text(encoding="utf-8"))
_SWAGGER = Template("""\
<div id="swagger-ui"></div>
<script src="/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle(Object.assign($settings, {
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  oauth2RedirectUrl: window.location.origin + "$redirect"
}))
</script>""")
_SWAGGER_SETTINGS: Mapping[str, object] = {
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    "deepLinking": True,
    "docExpansion": "none",
    "filter": True,
    "persistAuthorization": True,
    "displayRequestDuration": True,
}
_REFUSALS = {"id": "Penolakan", "en": "Refusals"}


class Documents:
    """The document in both languages, each made when it is first asked for."""

    def __init__(self, app: FastAPI, *, with_password: bool) -> None:
        self._generate = app.openapi  # FastAPI's own, before it is replaced
        self._app = app
        self._with_password = with_password

    @cached_property
    def english(self) -> Document:
        return make_document(self._app, self._generate, with_password=self._with_password)

    @cached_property
    def catalogue(self) -> Catalogue:
        return read_catalogue(HERE / "id.po")

    @cached_property
    def _bodies(self) -> dict[str, tuple[bytes, str]]:
        """Of each language, the document as JSON, and its ETag."""
        said = {"en": self.english, "id": in_indonesian(self.english, self.catalogue)}
        bodies = {
            language: json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            for language, document in said.items()
        }
        return {language: (body, f'"{sha256(body).hexdigest()[:16]}"') for language, body in bodies.items()}

    def answer(self, request: Request, language: str) -> Response:
        """The document as JSON; nothing but a 304 where the reader holds it already."""
        body, etag = self._bodies[language]
        headers = {"ETag": etag, "Content-Language": language}
        if request.headers.get("if-none-match", "").removeprefix("W/") == etag:  # weak behind gzip
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)


def add_docs(app: FastAPI, *, with_password: bool) -> None:
    """Gives the app its document and the pages that show it."""
    documents = Documents(app, with_password=with_password)

    def document() -> dict[str, Any]:
        return documents.english

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents for extending it
    app.mount("/assets", StaticFiles(directory=_ASSETS), name="assets")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request, language: Language = "id") -> Response:
        return documents.answer(request, language)

    @app.get("/docs", include_in_schema=False)
    async def docs(language: Language = "id") -> HTMLResponse:
        settings = json.dumps({**_SWAGGER_SETTINGS, "url": f"/openapi.json?lang={language}"})
        body = _SWAGGER.substitute(settings=settings, redirect=OAUTH_REDIRECT)
        return _page("/docs", language, body, head='<link rel="stylesheet" href="/assets/swagger-ui.css">')

    @app.get(OAUTH_REDIRECT, include_in_schema=False)
    async def docs_redirect() -> HTMLResponse:
        return get_swagger_ui_oauth2_redirect_html()

    @app.get("/docs/refusals", include_in_schema=False)
    async def refusals(language: Language = "id") -> HTMLResponse:
        return _page("/docs/refusals", language, _refusals(language))

    @app.get("/docs/{drawing}.svg", include_in_schema=False)
    async def diagram(drawing: Literal["problem", "assignment"]) -> Response:
        return Response((HERE / f"{drawing}.svg").read_bytes(), media_type="image/svg+xml")


def _page(address: str, language: str, body: str, head: str = "") -> HTMLResponse:
    links = "\n".join(
        f'<a href="{address}?lang={each}" lang="{each}"{" aria-current=true" if each == language else ""}>{name}</a>'
        for each, name in _NAMES.items()
    )
    return HTMLResponse(_PAGE.substitute(language=language, links=links, head=head, body=body))


def _refusals(language: str) -> str:
    """Every refusal with its status and what it says; the `type` of a refusal leads to its line."""
    refusals = sorted(refusals_by_code().items(), key=lambda each: (each[1].status, each[0]))
    rows = "\n".join(
        f"<tr id={code}><td>{refusal.status}</td><td><code>{code}</code></td>"
        f"<td>{escape(refusal.title if language == 'en' else refusal.judul)}</td></tr>"
        for code, refusal in refusals
    )
    return f"<main><h1>{_REFUSALS[language]}</h1><p><code>{MEDIA_TYPE}</code></p><table>{rows}</table></main>"
