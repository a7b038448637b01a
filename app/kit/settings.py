"""Every setting, read from the environment (`UJUNG_…`) or a `.env` file; nothing else configures the app."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, DirectoryPath, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)


class _SecretFiles(SecretsSettingsSource):
    """One file for each setting, named like its variable, in the folder that the sources before have named."""

    def __call__(self) -> dict[str, Any]:
        self.secrets_dir = self.current_state.get("secrets_dir")
        try:
            named = self.secrets_dir is not None and Path(self.secrets_dir).is_dir()
            return super().__call__() if named else {}  # the setting itself refuses what is no folder
        except OSError as error:
            raise SettingsError(str(error)) from error
        except SettingsError as error:  # which says for which setting, and not why
            raise SettingsError(f"{error}: {error.__cause__}") from error


def _between_commas(said: object) -> object:
    return [each.strip() for each in said.split(",") if each.strip()] if isinstance(said, str) else said


class Settings(BaseSettings):
    """What an operator may choose. Each default runs one city on one machine with no set-up."""

    model_config = SettingsConfigDict(env_prefix="UJUNG_", env_file=".env", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_between_commas)] = ()
    """Addresses or networks, between commas, of reverse proxies whose `X-Forwarded-For` is believed; else nobody's."""
    data_dir: Path = Path("var")
    """Folder of the embedded database, the photos and the key file."""
    database_url: str | None = None
    """SQLAlchemy address of the database; without one, SQLite in `data_dir`."""
    photos_url: str | None = None
    """Where photos are stored: an obstore URL such as `s3://bucket/prefix`; without one, `data_dir/photos`."""
    encryption_keys: SecretStr | None = None
    """Comma-separated Fernet keys, the newest first; without any, one is made and kept in `data_dir/keys`."""
    secrets_dir: DirectoryPath | None = None
    """Folder of files such as `ujung_database_url`, each holding the setting it is named for; variables come first."""
    demo_password: SecretStr | None = None
    """Password of the demo town's accounts; without one, a new one is printed at start."""
    city: str = "35.75"
    """Code of the city (kota or kabupaten) whose monitor and mayor this installation serves."""

    docs_login: bool = True
    """Whether name and password may be given to the docs page's Authorize dialog."""
    session_days: Annotated[int, Field(ge=1, le=400)] = 90
    """Days until a device must log in again; phones in the field are offline for days."""
    login_attempts: str = "10/minute"
    """Failed logins allowed for one name, in the notation of the `limits` library."""
    login_attempts_per_address: str = "60/minute"
    """Failed logins allowed from one network address; an office shares one address."""
    throttle_storage: str = "memory://"
    """Where failed logins are counted; a Redis address when several processes serve one city."""
    password_threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Password hashes computed at once; each takes 64 MiB."""

    pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    """Requests that may use the database at once, each by a thread and a connection; two more are for the background.
    """
    pool_wait_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long a request waits for a connection before it is told to come back (503)."""
    max_body_bytes: Annotated[int, Field(ge=10_000)] = 1_048_576
    """Largest body of a request that carries no photo."""
    max_photo_bytes: Annotated[int, Field(ge=10_000)] = 8 * 1_048_576
    max_photo_megapixels: Annotated[int, Field(ge=1, le=100)] = 40
    upload_days: Annotated[int, Field(ge=1, le=30)] = 7
    """Days in which the pieces of a photo may come, counted from when it was promised."""

    local_sample_percent: Annotated[int, Field(ge=0, le=100)] = 10
    """Share of the problems finished by a kelurahan itself that the kecamatan confirms."""
    sync_late_days: Annotated[int, Field(ge=0, le=250)] = 1
    """Working days a kelurahan's devices may be unheard of before the board calls it late."""
    sync_silent_days: Annotated[int, Field(ge=0, le=250)] = 3
    """Working days of the same before it counts as silent, which its log notes."""
    public_url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+$")] = "http://127.0.0.1:8000"
    """Where people and systems outside reach this installation; what is sent to them leads back to it."""
    webhook_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_between_commas)] = ()
    """Networks, between commas, into which webhooks may be sent although they are not public: a government intranet."""
    webhook_http: bool = False
    """Whether webhooks may go to `http://` addresses; for demos and tests."""
    webhook_ports: Annotated[
        tuple[Annotated[int, Field(ge=0, le=65_535)], ...], NoDecode, BeforeValidator(_between_commas)
    ] = (443, 8443)
    """Ports to which webhooks may be sent, between commas; 0 stands for any."""
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    """Longest that one attempt may take, from looking up the name to the end of the answer."""
    webhook_in_flight: Annotated[int, Field(ge=1, le=500)] = 64
    """Attempts that one process makes at once."""
    webhook_in_flight_per_endpoint: Annotated[int, Field(ge=1, le=100)] = 8
    webhook_catching_up_per_second: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Deliveries a second to an endpoint that has just come back, until it has everything."""
    link_days: Annotated[int, Field(ge=1, le=90)] = 30
    """Days for which a link to one assignment is good."""
    mail_url: SecretStr | None = None
    """Server for e-mail, such as `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without one, mail is put
    into the folder `data_dir/mail`."""
    mail_from: str = "Ujung Tombak <no-reply@localhost>"
    background: bool = True
    """Whether the API process also does the worker's work; off where `ujung worker` runs beside it."""
    log_json: bool = False
    """Log as JSON lines instead of for a terminal."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given comes before the environment, that before the `.env` file, and that before secret files."""
        del file_secret_settings
        return init_settings, env_settings, dotenv_settings, _SecretFiles(settings_cls)

    @property
    def database_address(self) -> str:
        """The address in use: the one given, or the embedded SQLite file."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ujung.db'}"
