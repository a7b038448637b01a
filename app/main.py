"""The app as a server imports it: `uvicorn app.main:app`. The only module that creates something when imported."""

from app.assembly import create_app
from app.kit.logs import configure_logs
from app.kit.settings import Settings

settings = Settings()
configure_logs(as_json=settings.log_json)
app = create_app(settings)
