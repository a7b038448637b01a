"""Every room's tables, imported once, for the migrations and the tests."""

from app.agencies import models as agencies
from app.areas import models as areas
from app.evidence import models as evidence
from app.journal import models as journal
from app.kit import models as kit
from app.links import models as links
from app.people import models as people
from app.problems import models as problems
from app.registers import models as registers
from app.sync import models as sync
from app.webhooks import models as webhooks
from app.workdays import models as workdays

__all__ = [
    "agencies",
    "areas",
    "evidence",
    "journal",
    "kit",
    "links",
    "people",
    "problems",
    "registers",
    "sync",
    "webhooks",
    "workdays",
]
