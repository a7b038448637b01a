"""HTTP of one's own account: logging in and out, devices, posts, the password."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response

from app.kit.doors import WRITES, PublicDoor
from app.kit.paging import BadCursor, Page, Slicing
from app.kit.refusals import NotFound, NotPermitted, TooManyAttempts, Unauthenticated, refused
from app.people import queries
from app.people.actions import devices
from app.people.actions.devices import DeviceNotFound, PasswordNotAcceptable, WrongCredentials, WrongPassword
from app.people.actors import ActorDoor, PersonDoor
from app.people.passwords import passwords
from app.people.queries import PostNotHeld
from app.people.schemas import DeviceOut, LoggedIn, LogIn, MeOut, PasswordChange, Revoked, TokenForm, TokenOut

router = APIRouter()


class NoTokensHere(NotFound):
    code, title = "no_tokens_here", "Logging in from the docs page is turned off"
    judul = "Masuk dari halaman dokumentasi dimatikan"


async def unstored(response: Response) -> None:
    """What holds a secret is kept by no cache."""
    response.headers["Cache-Control"] = "no-store"


async def _address(request: Request) -> str | None:
    """Where the connection comes from, as the server says: it believes no header but those of trusted proxies."""
    return request.client.host if request.client else None


Address = Annotated[str | None, Depends(_address)]


@router.post(
    "/auth/sessions",
    status_code=201,
    tags=["auth"],
    summary="Log in",
    dependencies=[Depends(unstored)],
    responses=refused(WrongCredentials, TooManyAttempts),
)
async def log_in(door: PublicDoor, address: Address, body: LogIn) -> LoggedIn:
    """A token for this device, for `Authorization: Bearer …`; it lasts for months, because phones lose signal for days.

    A wrong password and a name nobody has are the same answer. Too many failures in a minute are slowed down.
    """
    async with passwords(door.house).turns.one():
        return await door.steps(lambda: devices.log_in(door.house, body, address))


@router.post(
    "/auth/token",
    tags=["auth"],
    summary="Log in from the docs page",
    dependencies=[Depends(unstored)],
    responses=refused(WrongCredentials, NoTokensHere, TooManyAttempts),
)
async def create_token(door: PublicDoor, address: Address, form: Annotated[TokenForm, Form()]) -> TokenOut:
    """The same as an OAuth2 password grant, so that Authorize on the docs page takes name and password.

    A setting turns it off.
    """
    if not door.house.settings.docs_login:
        raise NoTokensHere
    body = LogIn(username=form.username, password=form.password, device="Halaman dokumentasi")
    async with passwords(door.house).turns.one():
        logged_in = await door.steps(lambda: devices.log_in(door.house, body, address))
    seconds = door.house.settings.session_days * 24 * 60 * 60
    return TokenOut(access_token=logged_in.token, token_type="bearer", expires_in=seconds)  # noqa: S106 - the kind


@router.get("/auth/sessions", tags=["auth"], summary="My devices", responses=refused(Unauthenticated, BadCursor))
async def list_devices(door: ActorDoor, slicing: Slicing) -> Page[DeviceOut]:
    """The devices on which I am logged in, newest first."""
    page = await door.read(
        lambda work: queries.devices(
            work.session, slicing, work.caller.account_id, work.now, current=work.caller.session_id
        )
    )
    door.link(page.next)
    return page


@router.delete("/auth/sessions/current", tags=["auth"], summary="Log out", responses=refused(Unauthenticated, *WRITES))
async def log_out(door: PersonDoor) -> Revoked:
    """The token of this request is good no longer."""
    return await door.write(devices.log_out)


@router.delete(
    "/auth/sessions/{id}",
    tags=["auth"],
    summary="Log a device out",
    responses=refused(Unauthenticated, NotPermitted, *WRITES, DeviceNotFound),
)
async def revoke_device(door: ActorDoor, id: UUID) -> Revoked:  # noqa: A002 - the name in the path
    """One of my devices, such as a lost phone, is logged out."""
    return await door.write(lambda work: devices.revoke_own(work, id))


@router.get("/me", tags=["auth"], summary="Who am I", responses=refused(Unauthenticated, PostNotHeld))
async def read_me(door: PersonDoor) -> MeOut:
    """My account, the posts I hold, and the one I act under.

    `X-Post` chooses among several; without it the latest post held for good acts, else the latest held as acting.
    """
    return await door.read(queries.me)


@router.post(
    "/me/password",
    tags=["auth"],
    summary="Change my password",
    responses=refused(Unauthenticated, WrongPassword, PasswordNotAcceptable, TooManyAttempts),
)
async def change_password(door: PersonDoor, address: Address, body: PasswordChange) -> Revoked:
    """A password of at least ten characters that is not my username; my other devices are logged out."""
    async with passwords(door.house).turns.one():
        return await door.steps(lambda: devices.change_password(door, body, address))
