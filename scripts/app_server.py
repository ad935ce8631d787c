"""The server of `saberlm app`: the page, and beside it the levels and their previews.

Nothing leaves the machine: Gradio's telemetry is off, and a content security policy keeps the page
from fetching anything from elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from saberlm.infer.studio import Studio

MAX_UPLOAD_BYTES = 512 * 2**20
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; frame-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
PREVIEW_POLICY = "sandbox allow-scripts"


def make_app(studio: Studio, uploads: Path) -> Any:
    """The application for an ASGI server.

    Args:
        studio: makes the levels; its folder is made here.
        uploads: folder for the songs that people drop.
    """
    studio.root.mkdir(parents=True, exist_ok=True)
    uploads.mkdir(parents=True, exist_ok=True)
    # before gradio is imported: it reads these then
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

    import gradio as gr
    from fastapi import FastAPI, HTTPException, Request
    from fastapi.responses import FileResponse, Response
    from starlette.background import BackgroundTask

    from saberlm.scripts.app_look import CSS, theme
    from saberlm.scripts.app_page import build_page

    app = FastAPI(title="saberlm", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def found(key: str) -> Any:
        if key not in studio.levels:
            raise HTTPException(404, "This level is gone: levels stay for a day, or until the end.")
        return studio.levels[key]

    @app.get("/preview/{key}")
    def preview(key: str) -> FileResponse:
        headers = {"Content-Security-Policy": PREVIEW_POLICY}
        return FileResponse(found(key).page, media_type="text/html", headers=headers)

    @app.get("/level/{key}")
    def level(key: str) -> FileResponse:
        archive = found(key).archive
        return FileResponse(archive, media_type="application/zip", filename=archive.name)

    @app.get("/levels/{keys}")
    def levels(keys: str) -> FileResponse:
        wanted = list(dict.fromkeys(keys.split(",")))
        for key in wanted:
            found(key)
        out = studio.archive_of(wanted)
        return FileResponse(
            out,
            media_type="application/zip",
            filename="levels.zip",
            background=BackgroundTask(out.unlink, missing_ok=True),
        )

    return gr.mount_gradio_app(
        app,
        build_page(studio),
        path="/",
        footer_links=[],
        max_file_size=MAX_UPLOAD_BYTES,
        show_error=False,
        theme=theme(),
        css=CSS,
        enable_monitoring=False,
        ssr_mode=False,
    )
