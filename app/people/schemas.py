"""Wire shapes of people."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.agencies.words import AgencyCode
from app.areas.words import AreaCode
from app.kit.words import In, Out, Timestamp
from app.people.words import (
    DeviceName,
    GivenUsername,
    KeyName,
    KeyVerb,
    NewPassword,
    Password,
    PersonName,
    PostKind,
    Username,
)


class PlaceOut(Out):
    """Where a post is held."""

    code: str
    name: str


class PostOut(Out):
    """A post somebody holds."""

    id: UUID = Field(description="The value of `X-Post`.")
    kind: PostKind
    kind_label: str
    area: PlaceOut | None
    agency: PlaceOut | None
    acting: bool = Field(description="Plt or Plh: for someone else, or until somebody is appointed.")
    since: datetime
    until: datetime | None


class AccountOut(Out):
    """Somebody who can log in."""

    id: UUID
    username: str
    name: str


class LogIn(In):
    """Name and password, and what the device is called in the list of one's devices."""

    username: GivenUsername
    password: Password
    device: DeviceName = Field(default="Perangkat")


class LoggedIn(Out):
    """A device is logged in. The token is said here and never again."""

    token: str = Field(description="For `Authorization: Bearer …`.")
    expires_at: datetime
    account: AccountOut
    posts: list[PostOut]
    must_change_password: bool = Field(description="True: choose a password with `POST /me/password` before all else.")


class TokenForm(BaseModel):
    """The form of OAuth2's password grant, as the docs page sends it; what else it holds does not matter."""

    model_config = ConfigDict(extra="ignore")

    grant_type: Literal["password"] = "password"
    username: GivenUsername
    password: Password


class TokenOut(Out):
    """A token as OAuth2 shapes it."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds.")


class DeviceOut(Out):
    """A device that is logged in."""

    id: UUID
    device: str
    created_at: datetime
    last_used_at: datetime = Field(description="Accurate to ten minutes.")
    expires_at: datetime
    current: bool = Field(description="The device that asks.")


class Revoked(Out):
    """How many devices were logged out."""

    revoked: int


class MeOut(Out):
    """Who asks."""

    account: AccountOut
    posts: list[PostOut]
    post: PostOut | None = Field(description="The post this request acts under.")
    must_change_password: bool


class PasswordChange(In):
    """The password in use, and the one to use from now on."""

    current: Password
    new: NewPassword


class AccountIn(In):
    """A new account."""

    username: Username
    name: PersonName


class AdminAccountOut(AccountOut):
    """An account as admins see it."""

    must_change_password: bool
    created_at: datetime
    disabled_at: datetime | None
    posts: list[PostOut]


class OneTimePassword(Out):
    """An account with a password that is said here and never again; it is good for choosing another."""

    account: AdminAccountOut
    password: str


class Appointment(In):
    """Somebody is to hold a post, from now or another moment, for good or until another moment."""

    account: UUID
    kind: PostKind
    area: AreaCode | None = Field(default=None, description="Of a kelurahan, kecamatan or city post.")
    agency: AgencyCode | None = Field(default=None, description="Of an officer or head.")
    acting: bool = False
    since: Timestamp | None = Field(default=None, description="Without one, now.")
    until: Timestamp | None = None


class Ending(In):
    """When a post stops being held."""

    until: Timestamp | None = Field(default=None, description="Without one, now.")


class Replacement(In):
    """Somebody takes over an office that has one holder: an account there is, or a new one."""

    kind: PostKind = Field(examples=[PostKind.LURAH])
    area: AreaCode | None = None
    agency: AgencyCode | None = None
    account: UUID | None = None
    new_account: AccountIn | None = None
    acting: bool = False

    @model_validator(mode="after")
    def _names_one_person(self) -> Self:
        if (self.account is None) == (self.new_account is None):
            raise ValueError("either account or new_account")
        return self


class HolderOut(PostOut):
    """A post and who holds it."""

    account: AccountOut


class ReplacedOut(Out):
    """The holdings that ended and the one that began. The office's open work lies where it lay."""

    ended: list[HolderOut]
    begun: HolderOut
    password: str | None = Field(description="One-time password of a new account, said here and never again.")


class ApiKeyIn(In):
    """A key for a system of an agency, and what that system may do with it."""

    agency: AgencyCode | None = Field(
        default=None, description="The agency whose system it is; an admin names it, a head's own is meant without it."
    )
    name: KeyName
    verbs: Annotated[
        frozenset[KeyVerb],
        Field(
            min_length=1,
            description="All that the key may do; a head could do no more.",
            examples=[["read", "assignment.accept", "assignment.progress"]],
        ),
    ]
    expires_at: Timestamp | None = Field(
        default=None, description="From when it is good no longer; without one, never."
    )


class ApiKeyOut(Out):
    """A key of an agency's system, without what opens the door."""

    id: UUID
    agency: str
    name: str
    prefix: str = Field(description="How the key begins, to tell keys apart.", examples=["ujk_3vT9xQpL"])
    verbs: list[KeyVerb]
    created_at: datetime
    created_by: AccountOut | None
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="Accurate to ten minutes.")
    revoked_at: datetime | None


class ApiKeyMade(Out):
    """A key was made. What opens the door is said here and never again."""

    key: ApiKeyOut
    token: str | None = Field(
        description="For `Authorization: Bearer …`. Null where this is the first answer given again, for an "
        "Idempotency-Key: if that one was lost, revoke the key and make another."
    )


class AdministrationOut(Out):
    """What an admin did."""

    id: UUID
    at: datetime
    kind: str = Field(examples=["post.replaced"])
    subject: str
    by: AccountOut | None = Field(description="Null: from the command line, or by the system.")
    data: dict[str, Any]
