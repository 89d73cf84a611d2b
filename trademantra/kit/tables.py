"""The base of every table of the product."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Constraints carry the same names on both databases, so that a migration can drop what another made.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(DeclarativeBase):
    """Declares a table.  Relationships are loaded on purpose or not at all (`lazy="raise"`)."""

    metadata = MetaData(naming_convention=_NAMES)
